"""The check of an Ascend machine: on this one for real, on pretended ones step by step."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tools.ascend_check.machines import NPU_SMI, REPORT, Machine, in_process

from acmix.cli import main
from acmix.errors import UserError
from acmix.tools.analysis.paper import SPEED_TABLES
from acmix.tools.ascend_check import forward, runner
from acmix.tools.ascend_check.report import CheckReport, merge, read_reports
from acmix.tools.ascend_check.runner import run_checks
from acmix.tools.ascend_check.session import Failed, execute
from acmix.tools.ascend_check.steps import compare
from acmix.tools.bench import peak
from acmix.tools.bench.models_report import ModelsReport

ROOT = Path(__file__).parents[3]
TOOLS = ("npu-smi", "converter_lite", "benchmark", "atc")


@pytest.mark.exhaustive
def test_on_a_cpu_the_steps_that_need_no_npu_pass_and_the_others_are_skipped(
    config, tmp_path, monkeypatch
):
    monkeypatch.setattr(peak, "MATMUL_SIZE", 32)
    monkeypatch.setattr(peak, "MAPS", (1, 2, 3, 3))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    lines = []
    out = tmp_path / "out"
    report = run_checks(out, config, execute=in_process, progress=lines.append)
    by_status: dict[str, list[str]] = {}
    for step in report.steps:
        by_status.setdefault(step.status, []).append(step.name)
        assert step.reason
    assert by_status.get("FAIL") is None, [s for s in report.steps if s.status == "FAIL"]
    assert by_status["PASS"] == ["environment", "training", "mindir", "audit", "onnx", "speed"]
    assert len(lines) == len(runner.STEPS)
    assert CheckReport.from_json((out / "check_ascend.json").read_text()) == report
    assert "verified" in next(s.reason for s in report.steps if s.name == "mindir")
    assert "$ " in (out / "log.txt").read_text()


def test_on_ascend_every_step_passes(check, machine, tmp_path):
    results = check()
    assert {name: step.reason for name, step in results.items() if step.status != "PASS"} == {}
    assert results["driver"].reason == "2 x 910B2, npu-smi 23.0.6"
    assert results["lite benchmark"].reason == "1.25 ms on average on Ascend"
    assert results["table shift"].reason == "conditions"
    (atc,) = results["atc onnx"].commands
    for option in ("--framework=5", "--soc_version=Ascend910B2", "--input_shape=images:1,3,8,8"):
        assert option in atc
    (convert,) = results["lite convert"].commands
    assert "--optimize=ascend_oriented" in convert
    report = CheckReport.from_json((tmp_path / "out" / "check_ascend.json").read_text())
    assert report.tables.keys() == SPEED_TABLES.keys()
    assert not report.failed


@pytest.mark.parametrize("name", TOOLS)
def test_a_missing_tool_skips_its_steps_and_says_where_it_comes_from(name, check, machine):
    machine.remove(name)
    skipped = {step.name: step.reason for step in check().values() if step.status == "SKIP"}
    assert any(f"{name} is not on the PATH; it comes with" in said for said in skipped.values())
    assert "training" not in skipped


FAILURES = [
    ("driver", ("npu-smi", f"cat <<'END'{NPU_SMI.format(health='Critical')}END"), "is Critical"),
    ("driver", ("npu-smi", "echo nothing"), "lists no chip"),
    ("driver", ("npu-smi", "echo dcmi module; exit 7"), "exit code 7: dcmi module"),
    ("lite convert", ("converter_lite", "echo unsupported; exit 3"), "exit code 3: unsupported"),
    ("lite convert", ("converter_lite", "exit 0"), "wrote no net_lite.mindir"),
    ("lite benchmark", ("benchmark", "echo ok"), "no AvgRunTime"),
    ("atc onnx", ("atc", "echo E10001; exit 255"), "exit code 255: E10001"),
    ("atc air", ("atc", "exit 0"), "wrote no net_air.om"),
]


@pytest.mark.parametrize(("step", "program", "reason"), FAILURES)
def test_a_program_that_fails_fails_its_step_alone(step, program, reason, check, machine):
    machine.install(*program)
    results = check()
    assert results[step].status == "FAIL"
    assert reason in results[step].reason
    assert results["table detectors"].status == "PASS"


@pytest.mark.parametrize(
    ("command", "failed", "skipped"),
    [
        ("train", {"training"}, {"mindir", "onnx", "audit", "speed", "lite convert", "atc air"}),
        ("export", {"mindir", "onnx", "air"}, {"lite convert", "atc onnx", "atc air"}),
        ("bench", {"speed", *(f"table {name}" for name in SPEED_TABLES)}, set()),
    ],
)
def test_what_builds_on_a_failed_step_is_skipped(command, failed, skipped, check, machine):
    machine.codes[command] = 2
    results = check()
    assert {name for name, step in results.items() if step.status == "FAIL"} == failed
    assert skipped <= {name for name, step in results.items() if step.status == "SKIP"}
    assert all(f"{command} broke" in results[name].reason for name in failed)


@pytest.mark.parametrize("losses", [[1.0, 2.0], [1.0, "null"], [1.0, 1.0]])
def test_training_that_does_not_lower_the_loss_fails(losses, check, machine):
    machine.losses = losses
    assert check()["training"].status == "FAIL"


def test_another_result_than_on_cpu_fails(check, machine):
    machine.difference = 0.1
    result = check()["forward"]
    assert result.status == "FAIL"
    assert "1.0e-01" in result.reason


def test_outputs_that_are_no_numbers_fail():
    with pytest.raises(Failed):
        compare({"net": np.ones(2)}, {"net": np.array([1, np.nan])})


def test_a_verdict_of_the_audit_fails_with_its_first_line(check, machine):
    machine.audit = lambda *arguments: f"net: {'FAIL' if '--training' in arguments else 'PASS'}."
    assert "net: FAIL." in check()["audit"].reason


def test_cann_without_its_environment_fails(check, monkeypatch):
    monkeypatch.delenv("ASCEND_HOME_PATH")
    assert "set_env.sh" in check()["cann"].reason


def test_mindspore_that_does_not_see_the_npu_fails(check, machine):
    env = json.loads(machine.environment())
    env["facts"]["device"] = "CPU"
    machine.environment = lambda *_: json.dumps(env)
    results = check()
    assert results["device"].status == "FAIL"
    assert {results[name].status for name in ("forward", "air", "table models")} == {"SKIP"}


def test_an_error_of_the_environment_fails_in_its_words(check, machine):
    problem = {"level": "error", "what": "numpy 2 is not 1.x"}
    machine.environment = lambda *_: json.dumps(
        {**json.loads(Machine.environment(machine)), "problems": [problem]}
    )
    assert "numpy 2 is not 1.x" in check()["environment"].reason


def test_a_step_that_breaks_does_not_break_the_check(check, machine):
    machine.environment = lambda *_: "no JSON"
    results = check()
    assert results["environment"].status == "FAIL"
    assert "JSONDecodeError" in results["environment"].reason
    assert len(results) == len(runner.STEPS)


def test_tables_are_chosen_and_the_chip_can_be_named(check, machine):
    machine.remove("npu-smi")
    results = check(tables=["shift"], soc="Ascend310P3")
    assert results["table shift"].status == "PASS"
    assert results["table models"].status == "SKIP"
    assert "--soc_version=Ascend310P3" in results["atc onnx"].commands[0]


def test_without_npu_smi_atc_asks_for_the_chip(check, machine):
    machine.remove("npu-smi")
    assert "--soc" in check()["atc onnx"].reason


def test_a_program_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setattr("acmix.tools.ascend_check.session.TIMEOUT", 0.2)
    start = time.perf_counter()
    assert execute(["sleep", "30"]).code != 0
    assert time.perf_counter() - start < 10


def test_results_of_an_earlier_check_are_not_mixed_with_new_ones(config, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "net.mindir").touch()
    with pytest.raises(UserError, match="not an empty folder"):
        run_checks(tmp_path / "out", config)


def test_merged_results_are_tables_of_their_own_beside_those_of_other_machines(
    check, tmp_path, capsys
):
    check()
    results = tmp_path / "results"
    own = REPORT.to_json().replace("Ascend910B2", "my CPU")
    results.mkdir()
    (results / "speed-models-cpu.json").write_text(own)
    file = str(tmp_path / "out" / "check_ascend.json")
    assert main(["check-ascend", "--merge", file, "--results", str(results)]) == 0
    assert {path.name for path in results.iterdir()} == {"speed-models-cpu.json"} | {
        f"{name}-ascend-910b2.json"
        for name in ("ascend-check", *(f"speed-{table}" for table in SPEED_TABLES))
    }
    capsys.readouterr()
    assert main(["bench", "models", "--load", str(results / "speed-models-*.json")]) == 0
    printed = capsys.readouterr().out
    assert printed.count("| model |") == 2
    assert "Ascend910B2 (Kunpeng, 192 cores)" in printed
    assert "my CPU" in printed
    assert main(["check-ascend", "--load", str(results), "--markdown"]) == 0
    printed = capsys.readouterr().out
    assert "| lite benchmark | PASS |" in printed
    assert f"{len(runner.STEPS)} PASS, 0 FAIL, 0 SKIP; MindSpore 2.8.0, CANN 8.1" in printed


def test_without_any_machine_the_documentation_says_so(tmp_path, capsys):
    assert read_reports(tmp_path) == []
    assert main(["check-ascend", "--load", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("No results of an Ascend machine")


def test_other_files_are_not_merged(check, tmp_path):
    check()
    file = tmp_path / "out" / "check_ascend.json"
    content = json.loads(file.read_text())
    for broken in (
        {},
        {**content, "steps": [{"name": "x"}]},
        {**content, "tables": {"models": {}}},
    ):
        file.write_text(json.dumps(broken))
        with pytest.raises(UserError, match="not a JSON"):
            merge(file, tmp_path / "results")
    assert not (tmp_path / "results").exists()
    with pytest.raises(UserError, match="does not exist"):
        merge(tmp_path / "nothing.json", tmp_path / "results")


def test_reports_of_benchmarks_survive_merging(check, tmp_path):
    check()
    merge(tmp_path / "out" / "check_ascend.json", tmp_path)
    kept = ModelsReport.from_json((tmp_path / "speed-models-ascend-910b2.json").read_text())
    assert kept == REPORT


def test_networks_for_the_comparison_are_the_same_in_every_process(monkeypatch):
    name, arguments = forward.NETWORKS["acmix_swin"]
    small = {"net": (name, {**arguments, "depths": (1,), "num_heads": (2,)})}
    monkeypatch.setattr(forward, "NETWORKS", small)
    first, second = forward.outputs("CPU"), forward.outputs("CPU")
    for name, output in first.items():
        assert np.abs(output).max() > 1e-3
        np.testing.assert_array_equal(output, second[name])


def test_the_script_reaches_the_command():
    done = subprocess.run(
        ["bash", ROOT / "scripts" / "check_ascend.sh", "--config", "missing.yaml"],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
    )
    assert done.returncode == 2
    assert "missing.yaml does not exist" in done.stderr

"""The check in a rehearsal: its results say so, and stay apart from those of devices."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from rehearsing import needs_compiler
from tools.ascend_check.machines import REPORT

from acmix.cli import main
from acmix.environment import STAND_IN_COMPUTES, STAND_IN_SOC
from acmix.errors import UserError
from acmix.tools.analysis.paper import SPEED_TABLES
from acmix.tools.ascend_check.report import CheckReport, merge, read_report
from acmix.tools.ascend_check.runner import STEPS
from acmix.tools.rehearsal.rehearse import rehearse

FIRST_LINE = (
    "Nothing is run on Ascend: 'acmix rehearse' has put a stand-in in place of "
    "Ascend910B1, computed by NumPy."
)
MERGED = "stand-in-check-ascend910b1-computed-by-numpy.json"
NO_TABLE = "a stand-in's speed means nothing; --tables rehearses a table once"
SKIPPED = {
    "driver": "npu-smi is not on the PATH; it comes with the Ascend driver",
    "lite convert": "converter_lite is not on the PATH; it comes with MindSpore Lite",
    "lite benchmark": "benchmark is not on the PATH; it comes with MindSpore Lite",
    "atc onnx": "atc is not on the PATH; it comes with the CANN toolkit",
    "atc air": "atc is not on the PATH; it comes with the CANN toolkit",
    **{f"table {name}": NO_TABLE for name in SPEED_TABLES},
}
"""Reasons of the steps that no host without NPU and CANN can run, by their beginnings."""


@pytest.fixture
def stand_in(monkeypatch):
    monkeypatch.setenv(STAND_IN_SOC, "Ascend910B1")
    monkeypatch.setenv(STAND_IN_COMPUTES, "1")


@pytest.fixture
def rehearsed(stand_in, check, tmp_path):
    """The file that the check of a pretended stand-in writes."""
    check(tables=["shift"])
    return tmp_path / "out" / "check_ascend.json"


def test_the_first_line_and_the_json_say_that_it_was_a_stand_in(stand_in, check, tmp_path, capsys):
    lines = []
    results = check(progress=lines.append)
    assert lines[0] == FIRST_LINE
    file = tmp_path / "out" / "check_ascend.json"
    assert next(iter(json.loads(file.read_text()).items())) == (
        "stand_in",
        "Ascend910B1, computed by NumPy",
    )
    assert main(["check-ascend", "--load", str(file), "--markdown"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"{FIRST_LINE}\n\n| step | stand-in | what was found |\n")
    assert printed.endswith(
        f"\nstand-in: {len(STEPS) - 9} PASS, 0 FAIL, 9 SKIP; MindSpore 2.8.0.\n"
    )
    assert not any("on Ascend:" in step.reason for step in results.values())


def test_empty_kernels_are_named(monkeypatch, check):
    monkeypatch.setenv(STAND_IN_SOC, "Ascend910A")
    lines = []
    check(progress=lines.append)
    assert lines[0].endswith("a stand-in in place of Ascend910A, nothing computed.")


def test_programs_that_need_cann_are_not_given_the_stand_ins(stand_in, check, machine):
    """All of them are on the PATH of the pretended machine."""
    results = check()
    for name, program in (
        ("driver", "npu-smi"),
        ("lite convert", "converter_lite"),
        ("lite benchmark", "benchmark"),
        ("atc onnx", "atc"),
        ("atc air", "atc"),
    ):
        reason = f"{program} needs CANN's libraries, whose place the stand-in takes"
        assert (results[name].status, results[name].reason) == ("SKIP", reason)


def test_what_a_stand_in_cannot_show_is_said(stand_in, check, machine):
    results = check(tables=["shift"])
    assert results["cann"].reason == "stand-ins for CANN's libraries, no driver"
    assert results["device"].reason == "MindSpore uses Ascend, which is a stand-in"
    assert results["training"].reason.startswith("on the stand-in: loss 2.000 to 1.000")
    assert results["air"].reason.endswith("whose file lists nodes: it is no AIR")
    assert results["speed"].reason == (
        "measured at 1 batch sizes; a stand-in's speed means nothing"
    )
    assert results["table shift"].reason == "1 networks ran; a stand-in's speed means nothing"
    benchmarks = [call for call in machine.calls if "bench" in call]
    assert [call[-6:-2] for call in benchmarks] == 2 * [["--warmup", "1", "--repeats", "1"]]


def test_a_stand_in_is_merged_under_a_name_of_its_own(rehearsed, tmp_path, capsys):
    results = tmp_path / "results"
    assert main(["check-ascend", "--merge", str(rehearsed), "--results", str(results)]) == 0
    assert [path.name for path in results.iterdir()] == [MERGED]
    capsys.readouterr()
    assert main(["check-ascend", "--load", str(results)]) == 0
    assert capsys.readouterr().out == "No results of an Ascend machine are here yet.\n"


def test_benchmarks_of_a_stand_in_are_not_merged(rehearsed, tmp_path):
    content = json.loads(rehearsed.read_text())
    benchmark = json.loads(REPORT.to_json())
    benchmark["environment"]["stand_in"] = content["stand_in"]
    rehearsed.write_text(json.dumps({**content, "tables": {"models": benchmark}}))
    merge(rehearsed, tmp_path / "results")
    assert [path.name for path in (tmp_path / "results").iterdir()] == [MERGED]
    assert read_report(tmp_path / "results" / MERGED).tables == {}


def test_a_stand_in_under_the_name_of_a_device_is_refused(rehearsed, tmp_path, capsys):
    file = tmp_path / "results" / "ascend-check-ascend-910b2.json"
    file.parent.mkdir()
    shutil.copy(rehearsed, file)
    assert main(["check-ascend", "--load", str(file.parent)]) == 2
    told = capsys.readouterr().err
    assert f"{file}: it is the report of a stand-in, not of a device. Remove it, and merge" in told


def test_devices_and_stand_ins_are_not_shown_together(rehearsed, tmp_path, capsys):
    device = tmp_path / "device.json"
    device.write_text(CheckReport("Ascend", "910B2", {}, ()).to_json())
    assert main(["check-ascend", "--load", str(device), str(rehearsed)]) == 2
    told = "some of these reports are of devices, some of stand-ins; show them apart."
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("stand_in_of", ["facts", "tables"])
def test_a_report_that_hides_its_stand_in_is_refused(stand_in_of, rehearsed, tmp_path):
    content = json.loads(rehearsed.read_text())
    del content["stand_in"]
    if stand_in_of == "tables":
        del content["facts"]["stand_in"]
        benchmark = json.loads(REPORT.to_json())
        benchmark["environment"]["stand_in"] = "Ascend910B1, computed by NumPy"
        content["tables"] = {"models": benchmark}
    rehearsed.write_text(json.dumps(content))
    with pytest.raises(UserError, match="its facts name another stand-in than the report itself"):
        merge(rehearsed, tmp_path / "results")
    assert not (tmp_path / "results").exists()


@pytest.mark.exhaustive
@needs_compiler
def test_the_rehearsed_check_runs_from_its_first_to_its_last_step(
    config, tmp_path, monkeypatch, capfd
):
    monkeypatch.setenv("PATH", f"{Path(shutil.which('python')).parent}:/usr/bin:/bin")
    out = tmp_path / "out"
    rehearsal = rehearse("acmix", ["check-ascend", "--config", str(config), "--output", str(out)])
    report = read_report(out / "check_ascend.json")
    assert [step.name for step in report.steps] == list(STEPS)
    assert {s.name: s.reason for s in report.steps if s.status == "FAIL"} == {}
    skipped = {step.name: step.reason for step in report.steps if step.status == "SKIP"}
    assert skipped.keys() == SKIPPED.keys()
    assert all(reason.startswith(SKIPPED[name]) for name, reason in skipped.items())
    assert rehearsal.passed, rehearsal.render()
    assert {"aclnn", "aclop", "ge"} <= {kind for kind, _ in rehearsal.calls}
    assert {"aclnn", "aclop"} <= {kind for _, kind in rehearsal.kernels}  # of the steps' processes
    assert capfd.readouterr().out.startswith(f"{FIRST_LINE}\nSKIP  driver ")
    assert report.facts["stand_in"] == report.stand_in == "Ascend910B1, computed by NumPy"

"""The environment report on made-up machines, and the choice of the device on this one."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import mindspore as ms
import pytest

from acmix import environment
from acmix.errors import UserError
from acmix.version import __version__

TESTED = {
    "acmix": __version__,
    "python": "3.11.7",
    "mindspore": "2.8.0",
    "numpy": "1.26.4",
    "opencv": "4.11.0.86",
    "platform": "Linux",
    "cpu": "some",
    "cores": 2,
    "device": "CPU",
    "cann": "8.5.0",
    "ascend_driver": None,
}


def runtime(**changes):
    values = {"device": "auto", "mode": "graph", "deterministic": False, "jit_level": ""}
    return SimpleNamespace(**{**values, **changes})


@pytest.mark.parametrize(
    ("soc", "computes", "named"),
    [
        ("Ascend910B1", "1", "Ascend910B1, computed by NumPy"),
        ("Ascend910A", "", "Ascend910A, nothing computed"),
        ("", "1", ""),
    ],
)
def test_a_stand_in_is_a_fact_of_its_own(soc, computes, named, monkeypatch):
    monkeypatch.setenv(environment.STAND_IN_SOC, soc)
    monkeypatch.setenv(environment.STAND_IN_COMPUTES, computes)
    facts = environment.describe()
    assert facts.get("stand_in", "") == named
    assert ("stand_in" in facts) == bool(named)


def test_the_tested_machine_has_no_problem():
    assert environment.problems(TESTED) == []


@pytest.mark.parametrize(
    ("change", "level", "said"),
    [
        ({"mindspore": "2.9.0"}, "warning", "200 times slower"),
        ({"mindspore": "2.10.0"}, "warning", "200 times slower"),
        ({"mindspore": "2.10.0", "device": "Ascend"}, "warning", "tested with 2.8 only"),
        ({"mindspore": "2.7.1"}, "warning", "tested with 2.8 only"),
        ({"mindspore": None, "device": None}, "error", "not installed"),
        ({"device": None}, "error", "cannot be imported"),
        ({"numpy": "2.0.0"}, "error", "Tensor.reshape raises"),
        ({"opencv": "4.12.0.88"}, "warning", "needs numpy 2"),
        ({"opencv": None}, "error", "no image can be read"),
        ({"python": "3.13.0"}, "error", "3.10-3.12"),
        ({"python": "3.9.1"}, "error", "3.10-3.12"),
        ({"cann": None}, "note", "CANN"),
        ({"cann": None, "device": "Ascend"}, "warning", "CANN"),
    ],
)
def test_a_change_is_the_one_problem_reported(change, level, said):
    facts = {**TESTED, **change}
    (problem,) = environment.problems(facts)
    assert problem.level == level
    text = environment.render(facts, [problem])
    assert said in text
    assert problem.remedy in text


def test_describe_tells_the_installed_versions():
    facts = environment.describe()
    assert facts.keys() == TESTED.keys()
    assert facts["acmix"] == __version__
    assert facts["mindspore"] == ms.__version__
    assert facts["python"] == ".".join(map(str, sys.version_info[:3]))
    assert facts["cores"] >= 1


def test_cann_is_found_through_its_environment_variable(tmp_path, monkeypatch):
    (tmp_path / "compiler").mkdir()
    (tmp_path / "compiler" / "version.info").write_text("name=x\nVersion=8.3.RC1\n")
    monkeypatch.setenv("ASCEND_HOME_PATH", str(tmp_path))
    assert environment.describe()["cann"] == "8.3.RC1"


def test_report_works_without_mindspore_being_importable():
    # A None entry in sys.modules makes the import fail as a broken installation does.
    code = (
        "import sys; sys.modules['mindspore'] = None\n"
        "from acmix import environment as e; facts = e.describe()\n"
        "print(e.render(facts, e.problems(facts)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "cannot be imported" in done.stdout


def test_auto_takes_the_first_usable_device(monkeypatch):
    monkeypatch.setattr(environment, "_usable", lambda target: target != "Ascend")
    assert environment.resolve_device("auto") == "GPU"


@pytest.mark.skipif(ms.get_context("device_target") != "CPU", reason="about hosts without an NPU")
@pytest.mark.parametrize("device", ["Ascend", "GPU"])
def test_a_device_that_is_not_there_is_refused(device):
    assert environment.resolve_device("auto") == "CPU"
    with pytest.raises(UserError, match=f"no usable {device}"):
        environment.set_device(runtime(device=device))


def test_an_unknown_device_is_refused():
    with pytest.raises(UserError, match="'TPU' is unknown"):
        environment.resolve_device("TPU")


def test_set_device_after_an_operator_has_run_keeps_the_device_and_sets_the_mode(mode):
    ms.ops.relu(ms.Tensor([1.0]))
    assert environment.set_device(runtime(mode="pynative")) == ms.get_context("device_target")
    assert ms.get_context("mode") == ms.PYNATIVE_MODE
    environment.set_device(runtime(mode="graph"))
    assert ms.get_context("mode") == ms.GRAPH_MODE

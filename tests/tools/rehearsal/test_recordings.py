"""Recorded calls and MindSpore's log, from small samples of both."""

import json

import pytest

from acmix.tools.rehearsal import recordings
from acmix.tools.rehearsal.recordings import Recordings
from acmix.tools.rehearsal.report import Rehearsal

CONV = (
    '{"kind":"aclop","op":"Conv2D","in":[{"name":"x","dtype":0,"format":0,"storage_format":3,'
    '"shape":[1,3,8,8]},null],"out":[{"name":"y","dtype":0,"format":0,"storage_format":0,'
    '"shape":[1,4,8,8]}],"attrs":{"groups":1}}'
)
RELU = '{"kind":"aclnn","op":"aclnnRelu","args":[{"dtype":0,"format":0,"shape":[4]}]}'
CAST = '{"kind":"aclnn","op":"aclnnCast","args":[]}'
SLICE = '{"kind":"aclop","op":"CustSliceGrad","in":[],"out":[],"attrs":{}}'
NODE = (
    '{"kind":"ge","op":"Add","node":"Default/Add-op0","in":[{"name":"x1","from":"x:y","desc":'
    '{"dtype":0,"format":29,"shape":[2]}},{"name":"x2"}],"out":[],"attrs":{}}'
)
DATA = '{"kind":"ge","op":"Data","node":"x","in":[],"out":[],"attrs":{"index":0}}'

WHERE = "[mindspore/ccsrc/plugin/ascend/kernel_executor/ascend_kernel_executor.cc:177]"
LOG = f"""\
[INFO] DEVICE(1,7f,python):2026-11-26 {WHERE} GenerateKernelMod] kernel opname:Conv2D, kernel type:acl_kernel
[INFO] DEVICE(1,7f,python):2026-11-26 {WHERE} GenerateKernelMod] kernel opname:ReLU, kernel type:opapi_kernel
[INFO] DEVICE(1,7f,python):2026-11-26 {WHERE} GenerateKernelMod] kernel opname:ReLU, kernel type:opapi_kernel
[INFO] DEVICE(1,7f,python):2026-11-26 {WHERE} GenerateKernelMod] kernel opname:Reshape, kernel type:rt_kernel
[INFO] DEVICE(1,7f,python):2026-11-26 {WHERE} GenerateKernelMod] kernel opname:SliceGrad, kernel type:acl_kernel
[INFO] DEVICE(1,7f,python):2026-11-26 {WHERE} GenerateKernelMod] kernel opname:Odd, kernel type:atb_kernel
[INFO] DEVICE(1,7f,python):2026-11-26 [kernel_select_ascend.cc:238] TryBackoffCpu] Try to use backoff CPU kernel, node:Default/net/Einsum-op0
[INFO] DEVICE(1,7f,python):2026-11-26 [kernel_select_ascend.cc:238] TryBackoffCpu] Try to use backoff CPU kernel, node:Default/net/Median-op12
Traceback (most recent call last):
RuntimeError: Ascend operator selection failed info: The current operator needs to be supplemented with an adapter, please check in `transform` directory. node is Default/net/Einsum-op0

Device MOC memory size: 65536M
Used peak memory usage (without fragments): 0M
"""  # fmt: skip  # noqa: E501


@pytest.fixture
def folder(tmp_path):
    """What two processes leave; one repeats calls, one died while it wrote."""
    (tmp_path / "calls-a.jsonl").write_text(f"{CONV}\n{RELU}\n0\n0\n1\n{NODE}\n{DATA}\n2\n")
    (tmp_path / "calls-b.jsonl").write_text(f"{RELU}\n{CAST}\n{SLICE}\n0\n1")
    (tmp_path / recordings.LOG).write_text(LOG)
    (tmp_path / recordings.OUTPUT).write_text("Unsupported op type list: MatMulExt, Muls\n")
    return tmp_path


def test_a_number_repeats_a_line_of_its_own_file(folder):
    assert Recordings(folder).calls == {
        ("aclop", "Conv2D"): 3,
        ("aclnn", "aclnnRelu"): 4,
        ("ge", "Add"): 2,
        ("ge", "Data"): 1,
        ("aclnn", "aclnnCast"): 1,  # its repetition has no end of line
        ("aclop", "CustSliceGrad"): 1,
    }


def test_formats_are_those_in_memory(folder):
    assert Recordings(folder).formats == {3: 3, 0: 3, 29: 2}


def test_calls_before_counting_starts_do_not_count(folder):
    recordings.start_counting(folder)
    assert not Recordings(folder).calls
    with open(folder / "calls-a.jsonl", "a", encoding="utf-8") as file:
        file.write(f"1\n{CAST}\n0\n0\n")  # numbers of lines before still mean the same
    counted = {("aclnn", "aclnnRelu"): 1, ("aclnn", "aclnnCast"): 1, ("aclop", "Conv2D"): 2}
    assert Recordings(folder).calls == counted


def test_bytes_of_operands_are_those_of_launches(folder):
    conv, relu = 4 * (3 * 8 * 8 + 4 * 8 * 8), 4 * 4
    assert Recordings(folder).moved == 3 * conv + 4 * relu  # and none of the graph engine's


@pytest.mark.parametrize(
    ("operand", "expected"),
    [
        ('{"dtype":1,"format":2,"shape":[3,5]}', 2 * 15),
        ('{"dtype":27,"format":2,"shape":[3,5],"strides":[0,1]}', 2 * 5),  # spread over 3 rows
        ('{"dtype":12,"format":2,"shape":[]}', 1),
        ('{"dtype":9,"format":2,"shape":[4],"host":true}', 0),
        ('{"tensors":[{"dtype":3,"shape":[2]},{"dtype":9,"shape":[3]}]}', 8 + 24),
        ('{"scalar":1,"dtype":9}', 0),
        ('{"ints":[0,2,1]}', 0),
        ("null", 0),
    ],
)
def test_bytes_of_an_operand(tmp_path, operand, expected):
    call = f'{{"kind":"aclnn","op":"aclnnAny","args":[{operand}]}}\n'
    (tmp_path / "calls-a.jsonl").write_text(call)
    assert Recordings(tmp_path).moved == expected


def test_kinds_of_kernels(folder):
    assert Recordings(folder).kernels == {
        ("Conv2D", "aclop"): 1,
        ("ReLU", "aclnn"): 2,
        ("Reshape", "view"): 1,
        ("SliceGrad", "AICPU"): 1,  # launched as CustSliceGrad
        ("Odd", "atb_kernel"): 1,  # MindSpore's own name where it is not known
        ("Median", "CPU"): 1,  # and not Einsum, for which the host has no kernel either
    }


def test_refusals_of_the_log_and_of_the_output(folder):
    assert Recordings(folder).refusals == [
        "Unsupported op type list: MatMulExt, Muls",
        "operator selection failed info: The current operator needs to be supplemented with an "
        "adapter, please check in `transform` directory. node is Default/net/Einsum-op0",
    ]


@pytest.mark.parametrize(
    ("log", "error"),
    [
        (LOG, LOG.splitlines()[9]),
        ("acmix train: error: no data.\n[INFO] DEVICE(1) end\n", "acmix train: error: no data."),
        ("usage: acmix\nMoreErrors of a log\n", ""),
        ("", ""),
    ],
)
def test_the_error_is_the_last_that_was_named(tmp_path, log, error):
    (tmp_path / recordings.LOG).write_text(log)
    assert Recordings(tmp_path).error == error


def test_nothing_recorded_is_nothing_called(tmp_path):
    assert not Recordings(tmp_path).calls
    assert not Recordings(tmp_path).kernels
    assert Recordings(tmp_path).refusals == []


def read(folder, exit_code=0, computed=False):
    words = (folder, "acmix train \x1b.yaml", "Ascend910B1", "O0")
    return Rehearsal.read(*words, computed, exit_code)


def test_the_first_line_says_by_what_numbers_are_computed(folder):
    first = read(folder, computed=True).render().splitlines()[0]
    assert first == (
        "Nothing is run on Ascend: MindSpore 2.8.0's Ascend back end runs on a stand-in for "
        "Ascend910B1 whose operators NumPy computes on this host."
    )
    first, blank, command, *_ = read(folder).render().splitlines()
    assert first == (
        "Nothing is computed, and nothing is run on Ascend: MindSpore 2.8.0's Ascend back end "
        "runs on a stand-in for Ascend910B1 whose kernels are empty."
    )
    assert blank == ""
    assert command == r"acmix train \x1b.yaml: exit code 0, jit level O0"


def test_the_report_counts_launches_shares_casts_and_formats(folder):
    text = read(folder).render("markdown")
    assert "| ReLU | aclnn | 2 |" in text
    assert "9 launches: 5 of aclnn, 4 of aclop (44%), 0 exchanges; operands of 0.0 MB" in text
    assert "| aclnnRelu | aclnn | 4 |" in text
    assert "2 nodes in graphs for the graph engine" in text  # Data stands for no kernel
    assert (
        "casts: 1; changes of format: 0; operands in a format of the device: 5; MindSpore's own "
        "AICPU operators: 1 CustSliceGrad; on the host's CPU: 1 Median" in text
    )
    assert "in no table of acmix's networks: CustSliceGrad (aclop)" in text
    assert "refused: Unsupported op type list: MatMulExt, Muls" in text


def test_the_report_as_json(folder):
    content = json.loads(read(folder, exit_code=1).to_json())
    assert content["scope"].startswith("Nothing is computed")
    assert content["computed"] is False
    assert content["kernels"]["ReLU"] == {"aclnn": 2}
    assert content["launches"]["aclop"] == {"Conv2D": 3, "CustSliceGrad": 1}
    assert content["bytes_of_operands"] == Recordings(folder).moved
    assert content["graph_engine"] == {"Add": 2}
    assert content["aclop_share"] == 0.4444
    assert content["error"].startswith("RuntimeError: Ascend operator selection failed")
    assert not content["passed"]


def test_what_passes(tmp_path):
    assert not read(tmp_path).passed
    assert "The command gave the device nothing to do." in read(tmp_path).render()
    (tmp_path / "calls-a.jsonl").write_text(RELU + "\n")
    assert read(tmp_path).passed
    assert not read(tmp_path, exit_code=2).passed
    (tmp_path / recordings.LOG).write_text(LOG)
    assert not read(tmp_path).passed  # refused


def test_what_the_software_npu_does_not_know_fails(tmp_path):
    (tmp_path / "calls-a.jsonl").write_text(RELU + "\n")
    (tmp_path / recordings.FAILURES).write_text(2 * "aclnnFoo: no such operator\n")
    result = read(tmp_path, computed=True)
    assert not result.passed
    assert "not computed: aclnnFoo: no such operator" in result.render()
    assert json.loads(result.to_json())["failures"] == ["aclnnFoo: no such operator"]

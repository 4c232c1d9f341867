"""What the audit says of O0 and O2, against MindSpore's back end on the stand-in device."""

import ast
from pathlib import Path

import pytest
from rehearsing import needs_compiler

from acmix.tools.audit.evidence import evidence_of
from acmix.tools.audit.levels import Level, kernel_at_o0, node_of_engine
from acmix.tools.rehearsal.rehearse import rehearse

pytestmark = [pytest.mark.exhaustive, needs_compiler]
PROGRAM = Path(__file__).with_name("one_each.py")
FUNCTIONS = [
    node.name
    for node in ast.parse(PROGRAM.read_text(encoding="utf-8")).body
    if isinstance(node, ast.FunctionDef)
]


# Which kernels are chosen is the question. The software NPU has not all of them.
@pytest.fixture(scope="module")
def at_o0():
    return rehearse(str(PROGRAM), FUNCTIONS, jit_level="O0", computes=False)


@pytest.fixture(scope="module")
def at_o2():
    return rehearse(str(PROGRAM), FUNCTIONS, jit_level="O2", computes=False)


def own(operators):
    """Return operators of MindSpore's own; the letters' case differs from CANN's names."""
    return {f"cust{operator.lower()}" for operator in operators}


def lowered(result):
    return {name.lower() for name in result.aicpu}


def test_kernels_at_o0_are_those_that_are_predicted(at_o0):
    assert at_o0.passed
    predicted = {operator: kernel_at_o0(evidence_of(operator)) for operator, _ in at_o0.kernels}
    assert lowered(at_o0) == own(name for name, kind in predicted.items() if kind == "AICPU")
    for operator, kind in at_o0.kernels:
        assert kind == predicted[operator]
    assert set(predicted.values()) == {"aclnn", "aclop", "view", "AICPU"}


def test_the_graph_engine_gets_what_is_predicted(at_o0, at_o2):
    operators = {operator for operator, _ in at_o0.kernels}
    found = {name: node_of_engine(evidence_of(name), Level.O2) for name in operators}
    refused = [name for name, kind in found.items() if not kind]
    assert list(at_o2.refusals) == [f"Unsupported op type list: {name}" for name in refused]
    assert refused == ["TopkExt"]
    assert lowered(at_o2) == own(name for name, kind in found.items() if kind == "AICPU")
    expanded = {name for name, kind in found.items() if kind == "expanded"}
    assert {"Muls", "SumExt", "MatMulExt", "SoftmaxBackward", "ZerosLikeExt"} <= expanded
    assert not expanded & {name for _, name in at_o2.calls}

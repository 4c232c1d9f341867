"""The three ways to the device, on operators worked by hand and on what the back end chose."""

import mindspore as ms
import pytest
import rehearsed_models
from audited_models import FOLDER
from mindspore import Tensor, ops
from test_audit_rules import compiled, literal, made_of, node, shaped, tensor

from acmix.ops.ranking import largest
from acmix.tools.audit import extract, extract_wheel
from acmix.tools.audit.audit import audit_graph
from acmix.tools.audit.evidence import VERSION, evidence_of
from acmix.tools.audit.inventory import Inventory
from acmix.tools.audit.levels import Level, kernel_at_o0, node_of_engine
from acmix.tools.audit.rules import apply_rules
from acmix.tools.audit.verdict import STRUCTURE

of_the_wheel = pytest.mark.skipif(ms.__version__ != VERSION, reason=f"lists are of {VERSION}")

# Operator; kernel at O0; what the graph engine gets at O2, and for AIR. From rehearsals of an
# operator each (Unsupported op type list: TopkExt), and of AIR in ASCEND_DRYRUN.md.
BY_HAND = """
Conv2D aclop GE GE
Add aclnn GE GE
ReduceSum aclop GE GE
RealDiv aclop GE GE
Reshape view GE GE
Flatten view GE GE
Muls aclnn expanded respelled
MatMulExt aclnn expanded respelled
SumExt aclnn expanded -
SoftmaxBackward aclnn expanded -
SplitWithSize aclnn expanded -
PowTensorScalar aclnn expanded -
RemainderTensorScalar aclnn expanded -
AddScalar aclnn expanded -
SubScalar aclnn expanded -
Divs aclnn expanded -
ZerosLikeExt aclnn expanded -
TopkExt aclnn - -
AdaptiveMaxPool3D - - -
GatherDGradV2 aclnn AICPU AICPU
LogicalXor aclnn AICPU AICPU
SliceGrad AICPU AICPU AICPU
Im2Col AICPU AICPU AICPU
AdaptiveAvgPool3D AICPU AICPU AICPU
Lgamma AICPU AICPU AICPU
Argmax aclop GE GE
AdamWeightDecay aclop GE -
BatchNorm aclop GE GE
TensorMove aclop GE GE
"""


@pytest.mark.parametrize("row", BY_HAND.split("\n")[1:-1], ids=lambda row: row.split()[0])
def test_what_becomes_of_an_operator_at_each_level(row):
    operator, *expected = row.split()
    known = evidence_of(operator)
    found = [kernel_at_o0(known), *(node_of_engine(known, level) for level in list(Level)[1:])]
    assert [kind or "-" for kind in found] == expected


@pytest.mark.parametrize("kind", rehearsed_models.KINDS)
def test_the_kind_at_o0_is_the_one_that_the_back_end_chose(kind):
    chosen = {line for graph in rehearsed_models.kept(kind).values() for line in graph["nodes"]}
    operators = [line.split(": ")[0] for line in chosen]
    assert chosen == {f"{name}: {kernel_at_o0(evidence_of(name))}" for name in operators}
    assert len(chosen) > 40


@pytest.mark.parametrize("kind", rehearsed_models.KINDS)
def test_what_an_operator_becomes_is_what_the_back_end_got(kind):
    """Those of the audit that are in no table of kernels are said to become others that are."""
    audited = Inventory.load(FOLDER).graphs
    for name, graph in rehearsed_models.kept(kind).items():
        chosen = {line.split(": ")[0] for line in graph["nodes"]}
        for operator in audited[f"{name} {kind}"]["operators"].keys() - STRUCTURE - chosen:
            known = evidence_of(operator)
            if operator != "TensorMove":  # of copies, of which the back end needs fewer
                assert set(known.becomes) & chosen, (name, operator)
                assert kernel_at_o0(known) == "aclop"


@of_the_wheel
def test_the_lists_of_the_wheel_are_those_of_the_installed_mindspore():
    for name, text in extract_wheel.texts().items():
        kept = (extract.LISTS / f"{name}.txt").read_text(encoding="utf-8")
        assert kept == text, "run python -m acmix.tools.audit.extract_wheel"


def findings(*operators):
    graph = made_of(*(node(operator) for operator in operators))
    return [finding.text for finding in apply_rules(graph)]


def test_movers_that_are_aclops_are_noted_at_o0():
    assert findings("MirrorPad") == [
        "note at O0, aclop: MirrorPad is an aclop, compiled at its first use; AI Core or AICPU is "
        "CANN's choice"
    ]
    assert findings("Roll") == []


def test_what_the_expander_decomposes_fails_for_air_alone():
    assert findings("SumExt") == [
        "FAIL at AIR, GE adapter: SumExt has no GE adapter and is not decomposed"
    ]
    assert findings("ReduceSum", "Muls") == []
    product = node("MatMulExt", tensor(16, 16), tensor(16, 16), shape=(16, 16))
    assert apply_rules(made_of(product)) == ()
    assert findings("TopkExt") == [
        f"FAIL at {level}, GE adapter: TopkExt has no GE adapter and is not decomposed"
        for level in ("O2", "AIR")
    ]


def test_operators_of_mindspores_own_aicpu_are_reviewed_where_they_are():
    text = "own AICPU operator: {} becomes MindSpore's own operator of AICPU"
    at_o0, of_engine = findings("SliceGrad")
    assert at_o0 == "REVIEW at O0, " + text.format("SliceGrad")
    assert of_engine == "REVIEW at O2 and AIR, " + text.format("SliceGrad")
    index = node("GatherDGradV2", tensor(2, 3), literal(1), literal(0))
    (finding,) = apply_rules(made_of(index))
    assert finding.text == "REVIEW at O2 and AIR, " + text.format("GatherDGradV2")


def three_by_number(x):
    return ops.TopK()(x, 3)


def three_by_tensor(x):
    return ops.TopK()(x, Tensor(3, ms.int32))


def three_of_ours(x):
    return largest(x, 3)


def test_a_count_of_int64_is_reviewed_for_the_graph_engine():
    (finding,) = apply_rules(compiled(three_by_number, shaped(2, 8)))
    assert finding.text == (
        "REVIEW at O2 and AIR, long count: TopK's count is int64, where CANN declares int32"
    )
    for fine in (three_by_tensor, three_of_ours):
        assert apply_rules(compiled(fine, shaped(2, 8))) == ()


def test_a_graph_that_fails_at_some_levels_is_to_be_reviewed():
    graph = made_of(node("TopkExt"))
    result = audit_graph(graph, "net")
    assert result.verdicts == {"O0": "PASS", "O2": "FAIL", "AIR": "FAIL"}
    assert result.verdict.value == "REVIEW"
    assert "net: REVIEW (O0 PASS, O2 FAIL, AIR FAIL)." in result.render()
    for level, verdict in result.verdicts.items():
        alone = audit_graph(graph, "net", [Level(level)])
        assert (alone.verdict.value, alone.passed()) == (verdict, verdict == "PASS")


def test_an_audit_is_read_back_with_its_levels(tmp_path):
    result = audit_graph(made_of(node("TopkExt"), node("SliceGrad")), "net")
    (tmp_path / "a.json").write_text(result.to_json())
    read = Inventory.load(tmp_path / "a.json")
    assert read.graphs == Inventory.of({"net": result}).graphs
    assert "1 graphs: 1 REVIEW. By level: O0 1 REVIEW; O2 1 FAIL; AIR 1 FAIL." in read.render()

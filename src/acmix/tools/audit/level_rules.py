"""Rules for operators that the levels of Ascend treat differently."""

from __future__ import annotations

from functools import partial

from acmix.tools.audit.evidence import evidence_of
from acmix.tools.audit.levels import GRAPH_ENGINE, Level, kernel_at_o0, node_of_engine
from acmix.tools.audit.rule import Remarks, Rule
from acmix.tools.audit.verdict import Verdict
from acmix.utils.mindir import Graph

_MOVERS = {"Pad", "PadV3", "MirrorPad", "Roll", "Im2Col", "Col2Im", "Gather", "StridedSlice"}


def _aclop_mover(graph: Graph) -> Remarks:
    for node in graph.nodes:
        if node.operator in _MOVERS and kernel_at_o0(evidence_of(node.operator)) == "aclop":
            yield (
                f"{node.operator} is an aclop, compiled at its first use; AI Core or AICPU is "
                "CANN's choice",
                node.scope,
            )


def _own_aicpu(graph: Graph, level: Level) -> Remarks:
    for node in graph.nodes:
        known = evidence_of(node.operator)
        kind = kernel_at_o0(known) if level is Level.O0 else node_of_engine(known, level)
        if kind == "AICPU":
            yield f"{node.operator} becomes MindSpore's own operator of AICPU", node.scope


def _refused(graph: Graph, level: Level) -> Remarks:
    for node in graph.nodes:
        known = evidence_of(node.operator)
        if known.aclnn and not node_of_engine(known, level):
            yield f"{node.operator} has no GE adapter and is not decomposed", node.scope


def _long_count(graph: Graph) -> Remarks:
    for node in graph.nodes:
        if node.operator == "TopK":
            count = node.inputs[1]
            if count.literal is not None or any(kind.dtype == "INT64" for kind in count.types):
                yield "TopK's count is int64, where CANN declares int32", node.scope


_OWN_AICPU = partial(
    Rule, "own AICPU operator", Verdict.REVIEW, "one of the slow AI CPUs does the work"
)
_REFUSED = partial(Rule, "GE adapter", Verdict.FAIL)

LEVEL_RULES = (
    _REFUSED(
        "MindSpore refuses what neither has an adapter nor is in its expander's registry",
        partial(_refused, level=Level.O2),
        (Level.O2,),
    ),
    _REFUSED(
        "MindSpore refuses what has no adapter; acmix export --format air respells two operators",
        partial(_refused, level=Level.AIR),
        (Level.AIR,),
    ),
    _OWN_AICPU(partial(_own_aicpu, level=Level.O0), (Level.O0,)),
    _OWN_AICPU(partial(_own_aicpu, level=Level.O2), GRAPH_ENGINE),
    Rule(
        "long count",
        Verdict.REVIEW,
        "CANN's declaration of TopK; give the count as a tensor of int32",
        _long_count,
        GRAPH_ENGINE,
    ),
    Rule("aclop", Verdict.NOTE, "it has no aclnn kernel in graph mode", _aclop_mover, (Level.O0,)),
)

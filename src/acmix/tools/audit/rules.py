"""Rules for constructs that fail or are slow on Ascend: one function each, in one table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from acmix.tools.audit.evidence import evidence_of
from acmix.tools.audit.level_rules import LEVEL_RULES
from acmix.tools.audit.levels import GRAPH_ENGINE, Level
from acmix.tools.audit.rule import EVERY_LEVEL, Finding, Remarks, Rule
from acmix.tools.audit.verdict import Verdict
from acmix.utils.mindir import Graph, Node, TensorType

_CONVOLUTION_WEIGHTS = {
    "Conv2D": lambda node: node.inputs[1].types,
    "Conv2DBackpropInput": lambda node: node.inputs[1].types,
    "Conv2DBackpropFilter": lambda node: node.output.types,
}
_GATHER_INDEX = {
    **{"Gather": 1, "GatherNd": 1, "GatherD": 2, "GatherDGradV2": 2, "IndexSelect": 2},
    **{"UnsortedSegmentSum": 1, "EmbeddingLookup": 1},
}
_LARGE = 8 * 2**20
_MOST_AXES = 5
_MOST_BOXES = 2864
_MOST_INPUTS = 32
_TILE = 16


def apply_rules(graph: Graph, levels: Sequence[Level] = EVERY_LEVEL) -> tuple[Finding, ...]:
    """Return the findings of all rules that hold at one of the levels, the most severe first."""
    findings = []
    for rule in RULES:
        if not set(rule.levels) & set(levels):
            continue
        remarks = list(rule.search(graph))
        counts = Counter(message for message, _ in remarks)
        places = dict(reversed(remarks))
        findings += [
            Finding(rule.name, rule.verdict, message, count, places[message], rule.levels)
            for message, count in counts.items()
        ]
    return tuple(sorted(findings, key=lambda finding: -finding.verdict.severity))


def convolutions(graph: Graph) -> Iterator[tuple[Node, int, bool]]:
    """Yield convolutions and their gradients with number of groups and whether depthwise."""
    for node in graph.nodes:
        if node.operator in _CONVOLUTION_WEIGHTS:
            weight = _CONVOLUTION_WEIGHTS[node.operator](node)
            groups = node.attributes.get("group", 1)
            shape = weight[0].shape if weight else ()
            yield node, groups, shape[:2] == (groups, 1)


def _group_convolution(graph: Graph) -> Remarks:
    for node, groups, depthwise in convolutions(graph):
        if groups > 1 and not depthwise:
            yield f"{node.operator} has {groups} groups and is not depthwise", node.scope


def _channels_last(graph: Graph) -> Remarks:
    for node in graph.nodes:
        for attribute in ("format", "data_format"):
            if node.attributes.get(attribute) == "NHWC":
                yield f"{node.operator} has {attribute}='NHWC'", node.scope


def _double(graph: Graph) -> Remarks:
    return _of_type(graph, ("DOUBLE", "FLOAT64"))


def _long(graph: Graph) -> Remarks:
    return _of_type(graph, ("INT64", "UINT64"))


def _of_type(graph: Graph, dtypes: tuple[str, ...]) -> Remarks:
    for node in graph.nodes:
        for dtype in sorted({kind.dtype for kind in node.output.types} & set(dtypes)):
            yield f"{node.operator} gives {_name(dtype)}", node.scope
    for name, kinds in (
        ("a constant", graph.constants),
        ("a parameter", graph.parameters),
        ("an input of the network", graph.inputs),
    ):
        for kind in kinds:
            if kind.dtype in dtypes:
                yield f"{name} is {_name(kind.dtype)}", ""


def _name(dtype: str) -> str:
    return {"DOUBLE": "float64"}.get(dtype, dtype.lower())


def _dynamic_batch(graph: Graph) -> Remarks:
    if any(-1 in kind.shape for kind in graph.inputs) and not any(_dynamic_size(graph)):
        yield "the batch size is dynamic; the other axes of the inputs are static", ""


def _dynamic_size(graph: Graph) -> Remarks:
    dynamic = [kind for kind in graph.inputs if -1 in kind.shape]
    for kind in dynamic:
        if -1 in kind.shape[1:]:
            yield f"an input of the network is {kind}", ""
    for node in graph.nodes:
        if not dynamic and any(_is_dynamic(kind) for kind in node.output.types):
            yield f"the shape of what {node.operator} gives depends on values", node.scope


def _is_dynamic(kind: TensorType) -> bool:
    return min(kind.shape, default=0) < 0


def _large_constant(graph: Graph) -> Remarks:
    for kind in graph.constants:
        if kind.bytes > _LARGE:
            yield f"a constant of {kind.bytes / 2**20:.1f} MiB, {kind}", ""


def _computed_gather(graph: Graph) -> Remarks:
    for node in graph.nodes:
        position = _GATHER_INDEX.get(node.operator)
        if position is not None and not node.inputs[position].constant:
            yield f"{node.operator} at a computed index", node.scope


def _many_axes(graph: Graph) -> Remarks:
    for node in graph.nodes:
        axes = len(node.output.types[0].shape) if node.output.types else 0
        if node.operator in ("Transpose", "TransposeView") and axes > _MOST_AXES:
            yield f"{node.operator} of {axes} axes", node.scope


def _negative_permutation(graph: Graph) -> Remarks:
    for node in graph.nodes:
        if node.operator in ("Transpose", "TransposeView"):
            if min(node.inputs[1].literal or (0,)) < 0:
                yield f"{node.operator} by {node.inputs[1].literal}", node.scope


def _aicpu_only(graph: Graph) -> Remarks:
    for node in graph.nodes:
        known = evidence_of(node.operator)
        if known.aicpu and not (known.aclnn or known.ge):
            yield f"{node.operator} has an AICPU kernel only", node.scope


def _too_many_boxes(graph: Graph) -> Remarks:
    for node in graph.nodes:
        if node.operator == "NMSWithMask":
            boxes = node.inputs[0].types[0].shape[0]
            if boxes > _MOST_BOXES:
                yield f"NMSWithMask of {boxes} boxes, it takes {_MOST_BOXES}", node.scope


def _branch(graph: Graph) -> Remarks:
    for node in graph.nodes:
        if node.operator in ("Switch", "SwitchLayer"):
            yield f"{node.operator} chooses between graphs by a computed value", node.scope


def _many_inputs(graph: Graph) -> Remarks:
    for node in graph.nodes:
        if node.operator in ("Concat", "AddN", "Stack"):
            tensors = sum(len(value.types) for value in node.inputs)
            if tensors > _MOST_INPUTS:
                yield f"{node.operator} of {tensors} tensors", node.scope


def _small_product(graph: Graph) -> Remarks:
    for node in graph.nodes:
        if node.operator not in ("MatMul", "MatMulExt", "BatchMatMul"):
            continue
        shapes = [kind.shape[-2:] for kind in (*node.inputs[0].types, *node.output.types)]
        least = min((size for shape in shapes for size in shape if size > 0), default=_TILE)
        if least < _TILE:
            yield f"{node.operator} with a side below {_TILE}", node.scope


RULES = (
    Rule(
        "group convolution",
        Verdict.FAIL,
        "docstrings of nn.Conv2d and ops.Conv2D: on Ascend groups are for depthwise only",
        _group_convolution,
    ),
    Rule(
        "channels last",
        Verdict.FAIL,
        "docstring of nn.Conv2d: NHWC is supported on GPU only",
        _channels_last,
    ),
    Rule("float64", Verdict.FAIL, "no vector or cube unit computes in float64", _double),
    Rule(
        "boxes of NMS",
        Verdict.FAIL,
        "docstring of ops.NMSWithMask: at most 2864 boxes",
        _too_many_boxes,
    ),
    Rule("int64", Verdict.REVIEW, "many kernels take int64 on AICPU only", _long),
    Rule(
        "dynamic size",
        Verdict.REVIEW,
        "docs of JitConfig: jit_level O2 has no dynamic shapes",
        _dynamic_size,
        GRAPH_ENGINE,
    ),
    Rule(
        "large constant",
        Verdict.REVIEW,
        "lies in device memory as often as graphs hold it, and in the file",
        _large_constant,
    ),
    Rule(
        "computed index",
        Verdict.REVIEW,
        "docstring of ops.gather: outside of the range is undefined on Ascend",
        _computed_gather,
    ),
    Rule(
        "many axes",
        Verdict.REVIEW,
        "a transposition of more than 5 axes may be split or moved to AICPU",
        _many_axes,
    ),
    Rule(
        "negative permutation",
        Verdict.REVIEW,
        "docstring of transpose_view: not on Ascend",
        _negative_permutation,
    ),
    Rule("AICPU only", Verdict.REVIEW, "one scalar processor does the work", _aicpu_only),
    Rule("dynamic batch", Verdict.NOTE, "give the sizes to the converter", _dynamic_batch),
    Rule("branch", Verdict.NOTE, "the host waits for the value, once per branch", _branch),
    Rule("many inputs", Verdict.NOTE, "no limit is documented; unverified", _many_inputs),
    Rule(
        "small product",
        Verdict.NOTE,
        "fills 16 x 16 tiles of the cube unit in part",
        _small_product,
    ),
    *LEVEL_RULES,
)

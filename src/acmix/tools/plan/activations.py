"""What the forward pass keeps for the backward pass, from the graph of a training step."""

from __future__ import annotations

from dataclasses import dataclass

from acmix.utils.mindir import CALL, Graph, Node

_BACKWARD = "Gradients"
"""Where the scopes of all nodes begin that MindSpore's automatic differentiation made."""

_VIEWS = {"Reshape", "Flatten", "ExpandDims", "Squeeze", "Depend"}
"""Operators whose output is the memory of their first input."""

_ITEM = "TupleGetItem"

_NOT_COUNTED = {"Load", "MakeTuple", "UpdateState", CALL}
"""Weights, which are counted as such, and what is no tensor."""


@dataclass(frozen=True)
class Kept:
    """Bytes that are kept from the forward to the backward pass.

    Attributes:
        of_batch: made of the images, in proportion to their number.
        of_weights: made of weights alone: their casts to float16, gathered tables.
    """

    of_batch: int
    of_weights: int


def kept_for_backward(graph: Graph) -> Kept:
    """Add up all tensors that forward nodes make and backward nodes read, each once.

    Args:
        graph: of a step with its backward pass.
    """
    makers = {node.output.name: node for node in graph.nodes}
    varying = _of_inputs(graph, makers)
    kept: dict[bool, dict[tuple[str, object], int]] = {True: {}, False: {}}
    for reader in graph.nodes:
        if not _is_backward(reader) or reader.operator == _ITEM:
            continue
        for value in reader.inputs:
            node, item = _through(value.name, makers, _VIEWS), None
            if node is not None and node.operator == _ITEM:
                item = node
                node = _through(item.inputs[0].name, makers, {_ITEM})
            if node is None or _is_backward(node) or node.operator in _NOT_COUNTED:
                continue
            key = node.output.name, item.inputs[1].literal if item else None
            size = sum(tensor.bytes for tensor in (item or node).output.types)
            kept[node.output.name in varying][key] = size
    return Kept(sum(kept[True].values()), sum(kept[False].values()))


def _of_inputs(graph: Graph, makers: dict[str, Node]) -> set[str]:
    """Return the names of what depends on the graph's inputs; nodes come in order of execution."""
    found: set[str] = set()
    for node in graph.nodes:
        # What else a view or a weight takes says when it is read, not what.
        read = node.inputs[:1] if node.operator in _VIEWS | {"Load"} else node.inputs
        # A name that no node makes is an input's: parameters and constants have none.
        if any(v.name and (v.name in found or v.name not in makers) for v in read):
            found.add(node.output.name)
    return found


def _is_backward(node: Node) -> bool:
    return node.scope.startswith(_BACKWARD)


def _through(name: str, makers: dict[str, Node], operators: set[str]) -> Node | None:
    """Return the node that makes a value, or of what it is made of by some operators alone."""
    node = makers.get(name)
    while node is not None and node.operator in operators:
        node = makers.get(node.inputs[0].name)
    return node

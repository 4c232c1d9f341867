"""Activations saved for the backward pass, from the graph of a training step."""

from __future__ import annotations

from dataclasses import dataclass

from acmix.utils.mindir import CALL, Graph, Node

_BACKWARD = "Gradients"
"""Prefix of the scope of every node from MindSpore's automatic differentiation."""

_VIEWS = {"Reshape", "Flatten", "ExpandDims", "Squeeze", "Depend"}
"""Operators whose output shares the memory of their first input."""

_ITEM = "TupleGetItem"

_ORDER = "UpdateState"
"""Operator whose inputs order the execution; it carries no values."""

_NO_READERS = {_ITEM, _ORDER}

_NOT_COUNTED = {"Load", "MakeTuple", _ORDER, CALL}
"""Weights, which are counted separately, and nodes without a tensor."""


@dataclass(frozen=True)
class SavedBytes:
    """Bytes saved in the forward pass for the backward pass.

    Attributes:
        of_batch: computed from the images, proportional to their number.
        of_weights: computed from weights alone: casts to float16, gathered tables.
    """

    of_batch: int
    of_weights: int


def saved_for_backward(graph: Graph) -> SavedBytes:
    """Add up all tensors that forward nodes produce and backward nodes read, each once.

    What is computed again in the backward pass (``train.recompute``) belongs to the latter: it
    waits for a gradient.

    Args:
        graph: graph of a training step with its backward pass.
    """
    producers = {node.output.name: node for node in graph.nodes}
    varying = _input_dependent(graph, producers)
    backward = _backward_pass(graph)
    saved: dict[bool, dict[tuple[str, object], int]] = {True: {}, False: {}}
    for reader in graph.nodes:
        if reader.output.name not in backward or reader.operator in _NO_READERS:
            continue
        for value in reader.inputs:
            node, item = _producer(value.name, producers, _VIEWS), None
            if node is not None and node.operator == _ITEM:
                item = node
                node = _producer(item.inputs[0].name, producers, {_ITEM})
            if node is None or node.output.name in backward or node.operator in _NOT_COUNTED:
                continue
            key = node.output.name, item.inputs[1].literal if item else None
            size = sum(tensor.bytes for tensor in (item or node).output.types)
            saved[node.output.name in varying][key] = size
    return SavedBytes(sum(saved[True].values()), sum(saved[False].values()))


def _input_dependent(graph: Graph, producers: dict[str, Node]) -> set[str]:
    """Return the names of values that depend on the graph's inputs.

    Relies on the execution order of ``graph.nodes``.
    """
    found: set[str] = set()
    for node in graph.nodes:
        # Further inputs of a view or a load order the execution; they carry no values.
        read = node.inputs[:1] if node.operator in _VIEWS | {"Load"} else node.inputs
        # A name without a producing node is an input's: parameters and constants have none.
        if any(v.name and (v.name in found or v.name not in producers) for v in read):
            found.add(node.output.name)
    return found


def _backward_pass(graph: Graph) -> set[str]:
    """Return the names of what the backward pass computes.

    These are gradients, and what lies between them: what is computed again, and the gradients that
    Cells define themselves. The update, which reads gradients, leads to none.
    """
    gradients = {node.output.name for node in graph.nodes if node.scope.startswith(_BACKWARD)}
    waiting, leading = set(gradients), set(gradients)
    for node in graph.nodes:
        if node.operator != _ORDER and any(value.name in waiting for value in node.inputs):
            waiting.add(node.output.name)
    for node in reversed(graph.nodes):
        if node.operator != _ORDER and node.output.name in leading:
            leading.update(value.name for value in node.inputs)
    return waiting & leading


def _producer(name: str, producers: dict[str, Node], operators: set[str]) -> Node | None:
    """Return the node that produces a value, looking through the given operators."""
    node = producers.get(name)
    while node is not None and node.operator in operators:
        node = producers.get(node.inputs[0].name)
    return node

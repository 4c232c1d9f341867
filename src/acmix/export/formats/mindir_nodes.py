"""Nodes of a MindIR file, for what an exporter needs spelled in another way."""

from __future__ import annotations

from typing import Any

from acmix.utils.mindir import CONSTANT, REFERENCE


def operators_of(model: Any) -> dict[str, str]:
    """Return operators by what nodes of a ``mind_ir_pb2.ModelProto`` call them."""
    return {REFERENCE + primitive.name: primitive.op_type for primitive in model.primitives}


def add_constant(graph: Any, name: str) -> Any:
    """Add a constant to a ``GraphProto``; return its attribute, which is to get type and value."""
    node = graph.node.add(name=name, op_type=CONSTANT)
    node.output.append(name)
    return node.attribute.add(name="value")

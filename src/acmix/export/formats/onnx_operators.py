"""Operators that ONNX has but MindSpore's ONNX exporter refuses, exported under borrowed names.

The exact GELU needs Erf. ONNX has it since operator set 9; MindSpore 2.8's exporter does not know
it. The graph is therefore exported with another operator in its place, one that the exporter writes
as a node of the same inputs and outputs and no attributes, and that node is renamed in the file.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from acmix.errors import check

_BORROWED = {"Erf": "Softsign"}


def substitute_operators(model: Any) -> set[str]:
    """Rename what the exporter refuses in a ``mind_ir_pb2.ModelProto``, in place.

    Returns:
        The operators renamed; give them to :func:`restore_operators`.

    Raises:
        UserError: The network has a genuine operator of the borrowed name too.
    """
    present = {primitive.op_type for primitive in model.primitives}
    refused = present & _BORROWED.keys()
    for operator in refused:
        check(
            _BORROWED[operator] not in present,
            f"format: a network with both {operator} and {_BORROWED[operator]} cannot become "
            "ONNX; use mindir.",
        )
    for primitive in model.primitives:
        if primitive.op_type in refused:
            primitive.op_type = _BORROWED[primitive.op_type]
            # The borrowed operators are primitives of the older kind.
            primitive.prim_type = primitive.PRIMITIVE
    return refused


def restore_operators(path: Path, operators: set[str]) -> None:
    """Give the nodes of an ONNX file back the names of ``operators``; nothing else changes."""
    if not operators:
        return
    names = {_BORROWED[operator]: operator for operator in operators}
    model = _onnx_model()()
    model.ParseFromString(path.read_bytes())
    for node in model.graph.node:
        node.op_type = names.get(node.op_type, node.op_type)
    path.write_bytes(model.SerializeToString())


@cache
def _onnx_model() -> type:
    """The messages of onnx.proto down to the name of a node.

    The package onnx is not needed for them: protobuf keeps the fields that it is not told of.
    """
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="acmix/onnx_nodes.proto", package="acmix.onnx")
    field = descriptor_pb2.FieldDescriptorProto
    for message, name, number, child in (
        ("Model", "graph", 7, "Graph"),
        ("Graph", "node", 1, "Node"),
        ("Node", "op_type", 4, None),
    ):
        declared = file.message_type.add(name=message).field.add(name=name, number=number)
        declared.label = field.LABEL_OPTIONAL
        declared.type = field.TYPE_STRING
        if child:
            declared.type, declared.type_name = field.TYPE_MESSAGE, f".acmix.onnx.{child}"
        if name == "node":
            declared.label = field.LABEL_REPEATED
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("acmix.onnx.Model"))

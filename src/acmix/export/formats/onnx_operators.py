"""Export operators that ONNX supports but MindSpore's ONNX exporter does not.

The exact GELU needs Erf. ONNX has it since operator set 9; MindSpore 2.8's exporter does not
support it. The graph is therefore exported with a substitute operator. The exporter writes that as
a node with the same inputs and outputs and no attributes, which is then renamed in the file.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from acmix.errors import check

_SUBSTITUTES = {"Erf": "Softsign"}


def substitute_operators(model: Any) -> set[str]:
    """Replace unsupported operators in a ``mind_ir_pb2.ModelProto``, in place.

    Returns:
        The replaced operators, for :func:`restore_operators`.

    Raises:
        UserError: the network also contains the substitute itself.
    """
    present = {primitive.op_type for primitive in model.primitives}
    unsupported = present & _SUBSTITUTES.keys()
    for operator in unsupported:
        check(
            _SUBSTITUTES[operator] not in present,
            f"format: a network with both {operator} and {_SUBSTITUTES[operator]} cannot become "
            "ONNX; use mindir.",
        )
    for primitive in model.primitives:
        if primitive.op_type in unsupported:
            primitive.op_type = _SUBSTITUTES[primitive.op_type]
            # The substitutes are primitives of MindSpore's older kind.
            primitive.prim_type = primitive.PRIMITIVE
    return unsupported


def restore_operators(path: Path, operators: set[str]) -> None:
    """Replace the substitutes in an ONNX file by the original ``operators``."""
    if not operators:
        return
    names = {_SUBSTITUTES[operator]: operator for operator in operators}
    model = _onnx_model()()
    model.ParseFromString(path.read_bytes())
    for node in model.graph.node:
        node.op_type = names.get(node.op_type, node.op_type)
    path.write_bytes(model.SerializeToString())


@cache
def _onnx_model() -> type:
    """Return a message class with the fields of onnx.proto down to the type of a node.

    It replaces the package onnx, since protobuf preserves undeclared fields.
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

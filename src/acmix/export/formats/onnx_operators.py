"""Operators that ONNX has and MindSpore 2.8's ONNX exporter does not write, or writes wrongly.

The exact GELU needs Erf. ONNX has it since operator set 9; the exporter does not support it. The
graph is therefore exported with a substitute operator. The exporter writes that as a node with the
same inputs and outputs and no attributes, which is then renamed in the file.

Round has a second input in MindSpore, the number of decimals, which the exporter writes, too. ONNX
rounds to whole numbers, as the library does, and has one input.

TopK's count is a tensor in the library, for Ascend's sake. The exporter reads a number only.

A constant that several divisions share is cast for each of them, by nodes of one name and one
output, which onnxruntime refuses. The first is enough.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from acmix.errors import check
from acmix.export.formats.mindir_nodes import add_constant, operators_of
from acmix.utils.mindir import CONSTANT

_SUBSTITUTES = {"Erf": "Softsign"}
_INPUTS = {"Round": 1}
"""Number of inputs in ONNX of operators that are written with more."""


def substitute_operators(model: Any) -> set[str]:
    """Replace unsupported operators in a ``mind_ir_pb2.ModelProto``, in place.

    Returns:
        The replaced operators, for :func:`repair_nodes`.

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
    _count_in_numbers(model)
    return unsupported


def _count_in_numbers(model: Any) -> None:
    """Replace every constant tensor that counts for a TopK by a number of its own."""
    operators = operators_of(model)
    for graph in (model.graph, *model.functions):
        nodes = list(graph.node)
        constants = {
            node.output[0]: node.attribute[0].tensors[0]
            for node in nodes
            if node.op_type == CONSTANT and node.attribute[0].tensors
        }
        del graph.node[:]
        for node in nodes:
            if operators.get(node.op_type) == "TopK" and node.input[1] in constants:
                raw = constants[node.input[1]].raw_data
                node.input[1] = f"{node.name}/count"
                count = add_constant(graph, node.input[1])
                count.type, count.i = count.INT64, int.from_bytes(raw, "little")
            graph.node.append(node)


def repair_nodes(path: Path, substituted: set[str]) -> None:
    """Give the nodes of an ONNX file their operators and inputs, and drop repeated ones."""
    names = {_SUBSTITUTES[operator]: operator for operator in substituted}
    model = _onnx_model()()
    model.ParseFromString(path.read_bytes())
    written: set[bytes] = set()
    repeated = []
    for place, node in enumerate(model.graph.node):
        content = node.SerializeToString(deterministic=True)
        if content in written:
            repeated.append(place)
        written.add(content)
        node.op_type = names.get(node.op_type, node.op_type)
        del node.input[_INPUTS.get(node.op_type, len(node.input)) :]
    for place in reversed(repeated):
        del model.graph.node[place]
    path.write_bytes(model.SerializeToString())


@cache
def _onnx_model() -> type:
    """Return a message class with the fields of onnx.proto down to those of a node used here.

    It replaces the package onnx, since protobuf preserves undeclared fields.
    """
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="acmix/onnx_nodes.proto", package="acmix.onnx")
    field = descriptor_pb2.FieldDescriptorProto
    messages: dict[str, descriptor_pb2.DescriptorProto] = {}
    for message, name, number, child, repeated in (
        ("Model", "graph", 7, "Graph", False),
        ("Graph", "node", 1, "Node", True),
        ("Node", "input", 1, None, True),
        ("Node", "op_type", 4, None, False),
    ):
        if message not in messages:
            messages[message] = file.message_type.add(name=message)
        declared = messages[message].field.add(name=name, number=number)
        declared.label = field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL
        declared.type = field.TYPE_STRING
        if child:
            declared.type, declared.type_name = field.TYPE_MESSAGE, f".acmix.onnx.{child}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("acmix.onnx.Model"))

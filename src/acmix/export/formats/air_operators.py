"""Spell the operators of a graph as MindSpore's AIR exporter knows them.

It has adapters for the operators of CANN's graph engine only, and none for those that MindSpore
makes of ``x * 2`` and ``ops.matmul``. These are the same functions under newer names.
"""

from __future__ import annotations

from typing import Any

from acmix.export.formats.mindir_nodes import add_constant, operators_of
from acmix.utils.mindir import REFERENCE, TensorType, values_of

RESPELLED = ("Muls", "MatMulExt")
"""Operators that :func:`spell_for_air` replaces."""

_NUMPY = {"FLOAT": "float32", "FLOAT16": "float16", "INT32": "int32", "INT64": "int64"}


def spell_for_air(model: Any) -> None:
    """Replace operators in a ``mind_ir_pb2.ModelProto``, in place.

    ``Muls(x, number)`` becomes ``Mul(x, tensor)``; ``MatMulExt`` becomes ``MatMul`` for matrices
    and ``BatchMatMul`` for more axes, which the graph engine broadcasts.
    """
    operators = operators_of(model)
    values = values_of(model)
    for graph in (model.graph, *model.functions):
        nodes = list(graph.node)
        del graph.node[:]
        for node in nodes:
            types = [
                value.types[0] for name in node.input if (value := values.get(name)) and value.types
            ]
            operator = operators.get(node.op_type)
            if operator == "Muls":
                factor = values[node.input[1]].literal
                node.input[1] = _constant(graph, f"{node.name}/factor", factor, types[0])
                node.op_type = _primitive(model, "Mul")
            elif operator == "MatMulExt":
                matrices = all(len(kind.shape) == 2 for kind in types)
                node.op_type = _primitive(model, "MatMul" if matrices else "BatchMatMul")
                node.input.extend([_flag(graph, node.name)] * 2)  # nothing is transposed
            graph.node.append(node)


def _primitive(model: Any, operator: str) -> str:
    """Add a primitive to the file if it is missing; return how nodes refer to it."""
    name = f"{operator}:air"
    if all(primitive.name != name for primitive in model.primitives):
        added = model.primitives.add(name=name, op_type=operator)
        added.prim_type = added.PRIMITIVE_FUNCTION
    return REFERENCE + name


def _constant(graph: Any, name: str, number: float, kind: TensorType) -> str:
    """Add a constant tensor without axes, of the dtype of ``kind``; return its name."""
    import numpy as np  # the command line imports all formats, and must not wait for it

    attribute = add_constant(graph, name)
    attribute.type = attribute.TENSORS
    tensor = attribute.tensors.add(
        name="value0", raw_data=np.array(number, _NUMPY[kind.dtype]).tobytes()
    )
    tensor.data_type = tensor.DataType.Value(kind.dtype)
    return name


def _flag(graph: Any, node: str) -> str:
    """Add a constant False; return its name."""
    attribute = add_constant(graph, f"{node}/transpose")
    attribute.type, attribute.i = attribute.BOOL, 0
    return f"{node}/transpose"

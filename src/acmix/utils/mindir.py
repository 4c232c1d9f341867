"""Reader of MindIR, MindSpore's graph format.

Only this module depends on the encoding. Operators are references to a table of primitives. Types
and shapes are an attribute of the node that computes them. Literals are nodes called ``Constant``.
"""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from acmix.errors import UserError, check
from acmix.utils.reading import read_bytes
from acmix.utils.text import shorten

CALL = "Call"
"""Operator name of a node that calls another graph of the file."""

MAX_FILE_BYTES = 2**31
"""Largest file that is read; MindSpore itself writes up to 1 GB into one."""

REFERENCE = "REF::"
"""How the ``op_type`` of a node begins that refers to a primitive."""

CONSTANT = "Constant"
"""``op_type`` of a node that holds a value."""

_BYTES = {
    "BOOL": 1, "INT8": 1, "UINT8": 1, "INT16": 2, "UINT16": 2, "FLOAT16": 2, "BFLOAT16": 2,
    "INT32": 4, "UINT32": 4, "FLOAT": 4, "INT64": 8, "UINT64": 8, "DOUBLE": 8, "FLOAT64": 8,
    "COMPLEX64": 8, "COMPLEX128": 16,
}  # fmt: skip


@dataclass(frozen=True)
class TensorType:
    """Element type, as MindIR names it (``FLOAT``, ``INT32``, ...), and shape; -1 is dynamic."""

    dtype: str
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        """Size of the elements; 0 if the shape is dynamic or the type has no size."""
        return max(0, math.prod(self.shape)) * _BYTES.get(self.dtype, 0)

    def __str__(self) -> str:
        return f"{self.dtype.lower()} {'x'.join(map(str, self.shape)) or 'scalar'}"


@dataclass(frozen=True)
class Value:
    """Input or output of a node.

    Attributes:
        types: of its tensors; empty if it contains none.
        literal: number, string or tuple of these if it is a constant but no tensor, else None.
        constant: whether the graph contains its value; false for parameters and inputs.
        producer: operator that computes it, or None.
        name: its identifier in the file; empty for constants and parameters.
    """

    types: tuple[TensorType, ...] = ()
    literal: Any = None
    constant: bool = False
    producer: str | None = None
    name: str = ""


@dataclass(frozen=True)
class Node:
    """One call of an operator: its name, scope in the network, attributes and values."""

    operator: str
    scope: str
    attributes: Mapping[str, Any]
    inputs: tuple[Value, ...]
    output: Value


@dataclass(frozen=True)
class Graph:
    """A MindIR file.

    Attributes:
        version: version of MindSpore that wrote it.
        nodes: of all graphs of the file, without constants.
        constants: constant tensors in the graphs.
        parameters: of the network.
        inputs: of the network.
    """

    version: str
    nodes: tuple[Node, ...]
    constants: tuple[TensorType, ...]
    parameters: tuple[TensorType, ...]
    inputs: tuple[TensorType, ...]

    def count_operators(self) -> Counter[str]:
        """Count the nodes by operator."""
        return Counter(node.operator for node in self.nodes)


def load_graph(path: str | Path) -> Graph:
    """Read a ``.mindir`` file.

    Raises:
        UserError: the file is missing or not MindIR.
    """
    path = Path(path)
    model = _read_model(path)
    try:
        return parse_graph(model)
    except (ValueError, IndexError, KeyError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path} is damaged: its graph does not fit together ({shorten(str(error), 80)})."
        ) from error


def input_shape(path: Path) -> tuple[int | None, ...]:
    """Return the shape of a file's only input, None for sizes that vary; empty for several.

    Raises:
        UserError: see :func:`load_graph`.
    """
    inputs = [tensor for value in _read_model(path).graph.input for tensor in value.tensor]
    if len(inputs) != 1:
        return ()
    return tuple(None if size < 0 else int(size) for size in inputs[0].dims)


def check_file(path: Path) -> None:
    """Raise UserError unless every tensor of a file has the bytes of its type and shape.

    Numbers in further files, whose paths the file would choose, are refused: this package writes
    none.
    """
    model = _read_model(path)
    for tensor in model.graph.parameter:
        known = tensor.DataType.values()
        kind = tensor.DataType.Name(tensor.data_type) if tensor.data_type in known else "unknown"
        name = shorten(tensor.name, 100)
        check(
            not tensor.HasField("external_data"),
            f"{path}: '{name}' has its numbers in another file, which is not read.",
        )
        expected = math.prod(tensor.dims) * _BYTES.get(kind, -1)
        check(
            all(size >= 0 for size in tensor.dims) and expected == len(tensor.raw_data),
            f"{path} is damaged: '{name}' has {len(tensor.raw_data)} bytes, but {kind} of shape "
            f"{shorten(str(tuple(tensor.dims)), 80)} takes another number.",
        )


def _read_model(path: Path) -> Any:
    """Return the ``ModelProto`` of a file."""
    from google.protobuf.message import DecodeError
    from mindspore.train.mind_ir_pb2 import ModelProto

    model, content = ModelProto(), read_bytes(path, MAX_FILE_BYTES)
    try:
        model.ParseFromString(content)
    except (
        DecodeError, ValueError, LookupError, TypeError, RecursionError, struct.error
    ) as error:  # fmt: skip  # the parser in Python, which MindSpore asks for, passes on its own
        reason = shorten(str(error), 80)
        raise UserError(f"{path} is not a MindIR file, or is encrypted ({reason}).") from error
    check(len(model.graph.node) > 0, f"{path} holds no graph; is it a MindIR file?")
    return model


def parse_graph(model: Any) -> Graph:
    """Read a ``mindspore.train.mind_ir_pb2.ModelProto``."""
    graphs = (model.graph, *model.functions)
    primitives = _primitives(model)
    values = values_of(model)
    inputs: list[TensorType] = []
    for argument in model.graph.input:
        inputs += map(_tensor_type, argument.tensor)
    return Graph(
        version=model.model_version,
        nodes=tuple(
            Node(
                *_operator(node, primitives),
                tuple(values.get(name, Value()) for name in node.input),
                _output(node, None),
            )
            for graph in graphs
            for node in graph.node
            if node.op_type != CONSTANT
        ),
        constants=tuple(_constant_tensors(graphs)),
        parameters=tuple(_tensor_type(tensor) for tensor in model.graph.parameter),
        inputs=tuple(inputs),
    )


def values_of(model: Any) -> dict[str, Value]:
    """Return the parameters, inputs and results of a ``ModelProto`` by their names in it."""
    primitives = _primitives(model)
    values: dict[str, Value] = {}
    for graph in (model.graph, *model.functions):
        for tensor in graph.parameter:
            values[tensor.name] = Value((_tensor_type(tensor),))
        for argument in graph.input:
            value = Value(tuple(map(_tensor_type, argument.tensor)), name=argument.name)
            values.setdefault(argument.name, value)
        for node in graph.node:
            operator, _ = primitives.get(node.op_type, (None, None))
            values.update((name, _output(node, operator)) for name in node.output)
    return values


def _primitives(model: Any) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """Return operator and attributes by the name with which nodes refer to them."""
    return {
        REFERENCE + primitive.name: (primitive.op_type, _attributes(primitive.attribute))
        for primitive in model.primitives
    }


def _operator(node: Any, primitives: Mapping[str, tuple]) -> tuple[str, str, Mapping[str, Any]]:
    """Return name, scope and attributes; :data:`CALL` if the operator is no primitive."""
    name, attributes = primitives.get(node.op_type, (CALL, {}))
    return name, node.domain, attributes


def _constant_tensors(graphs: tuple) -> Iterator[TensorType]:
    for graph in graphs:
        for node in graph.node:
            if node.op_type == CONSTANT:
                yield from _types(node.attribute[0])


def _output(node: Any, operator: str | None) -> Value:
    if node.op_type == CONSTANT:
        (attribute,) = node.attribute
        return Value(tuple(_types(attribute)), _literal(attribute), constant=True)
    types = [kind for attribute in node.attribute for kind in _types(attribute)]
    return Value(tuple(types), producer=operator, name=node.output[0] if node.output else "")


def _attributes(attributes: Any) -> dict[str, Any]:
    return {attribute.name: _literal(attribute) for attribute in attributes}


def _types(attribute: Any) -> Iterator[TensorType]:
    """Iterate over the types of the tensors in an attribute, including nested tuples."""
    yield from map(_tensor_type, attribute.tensors)
    for value in attribute.values:
        yield from _types(value)


def _tensor_type(tensor: Any) -> TensorType:
    return TensorType(tensor.DataType.Name(tensor.data_type), tuple(tensor.dims))


def _literal(attribute: Any) -> Any:
    """Return a number, string or tuple; None for other types."""
    kind = attribute.AttributeType.Name(attribute.type)
    if kind in ("TUPLE", "LIST"):
        return tuple(_literal(value) for value in attribute.values)
    if kind == "STRING":
        strings = attribute.s or next(iter(attribute.strings), b"")
        return strings.decode() if isinstance(strings, bytes) else strings
    if kind in ("FLOAT", "DOUBLE"):
        many, one = (
            (attribute.floats, attribute.f) if kind == "FLOAT" else (attribute.doubles, attribute.d)
        )
        return many[0] if many else one
    if kind == "BOOL" or "INT" in kind:
        return attribute.ints[0] if attribute.ints else attribute.i
    return None

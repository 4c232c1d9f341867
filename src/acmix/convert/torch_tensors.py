"""What the records of a pickle mean: tensors of torch, arrays and numbers of NumPy, modules."""

from __future__ import annotations

import re
from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from acmix.convert.pending import Pending
from acmix.utils.array_types import BYTES, NUMPY_KINDS, bytes_of, to_array
from acmix.utils.limits import shape_problem, unread_type
from acmix.utils.pickled import Global, PickleError, Record, Stored
from acmix.utils.pickled_arrays import stored_bytes

_STORAGES = {
    "Float": "float32", "Double": "float64", "Half": "float16", "BFloat16": "bfloat16",
    "Long": "int64", "Int": "int32", "Short": "int16", "Char": "int8", "Byte": "uint8",
    "Bool": "bool", "ComplexFloat": "complex64", "ComplexDouble": "complex128",
}  # fmt: skip
_OTHER_STORAGES = {
    "complex64": 8, "complex128": 16, "untyped": 1, "qint8": 1, "quint8": 1, "qint32": 4,
    "quint4x2": 1, "quint2x4": 1,
}  # fmt: skip
"""Bytes of elements that are not read, but passed over in files before torch 1.6."""

_DTYPES = {
    "float": "float32", "double": "float64", "half": "float16", "long": "int64", "int": "int32",
    "short": "int16",
}  # fmt: skip
_REPEATED = 2**22
"""Most elements of a tensor that repeats those of its storage (stride 0)."""

_MAX_MODULES = 10_000
_ARRAY_MODULES = ("numpy.core.multiarray.", "numpy._core.multiarray.", "numpy.core.numeric.",
                  "numpy._core.numeric.")  # fmt: skip

ReadStorage = Callable[[str, int, int, int], bytes]
"""Function of a storage's key, bytes of an element, first element and number of elements.

It returns the bytes; it raises PickleError if the storage is smaller.
"""


class Meaning:
    """Function from what a pickle holds to what it means.

    A record of a tensor or array gives a :class:`Pending`; of NumPy's scalars a number; of a module
    of torch the dict of its tensors by name. All else is returned as it is.

    Args:
        read_storage: reads the elements of torch's tensors; None if there are none.
        big_endian: byte order of the storages.
    """

    def __init__(self, read_storage: ReadStorage | None, big_endian: bool = False):
        self._read_storage = read_storage
        self._big_endian = big_endian
        self._known: dict[int, tuple[object, object]] = {}

    def __call__(self, value: object) -> object:
        """Return what ``value`` means."""
        if not isinstance(value, Record):
            return value
        if id(value) not in self._known:
            self._known[id(value)] = value, self._of_record(value, depth=0)
        return self._known[id(value)][1]

    def _of_record(self, record: Record, depth: int) -> object:
        name, arguments = record.name, record.arguments
        if not isinstance(arguments, tuple) or depth > 4:
            return record
        last = name.rsplit(".", 1)[-1]
        if (
            name.startswith("torch._utils._rebuild")
            or name == "torch._tensor._rebuild_from_type_v2"
        ):
            return self._tensor(last, arguments, depth)
        if name.startswith(_ARRAY_MODULES):
            return _numpy(last, record)
        if isinstance(record.state, dict) and "_parameters" in record.state:
            return self._module(record)
        if record.items and all(isinstance(key, str) for key in record.items):
            return record.items  # a class derived from dict
        return record

    def _tensor(self, function: str, arguments: tuple[Any, ...], depth: int) -> object:
        if function in ("_rebuild_parameter", "_rebuild_parameter_with_state") and arguments:
            inner = arguments[0]
            return self._of_record(inner, depth + 1) if isinstance(inner, Record) else inner
        if function == "_rebuild_from_type_v2" and len(arguments) >= 3:
            return self._of_record(Record(arguments[0], arguments[2]), depth + 1)
        if function not in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3"):
            return _unread_type(function.removeprefix("_rebuild_"))
        if len(arguments) < 4 or not isinstance(arguments[0], Stored):
            return _unread("has no storage")
        stored, offset, shape, strides = arguments[:4]
        named = arguments[6] if function.endswith("v3") and len(arguments) > 6 else None
        if named is None and len(arguments) > 6 and isinstance(arguments[6], dict):
            if any(value is True for value in arguments[6].values()):
                return _unread("is a view that is conjugated or negated")
        identity = stored.identity
        if not isinstance(identity, tuple) or len(identity) < 5 or identity[0] != "storage":
            return _unread("has no storage")
        kind = element_type(named if named is not None else identity[1])
        if kind not in BYTES:
            return _unread_type(kind)
        return self._strided(kind, str(identity[2]), offset, _sizes(shape), _sizes(strides))

    def _strided(
        self, kind: str, key: str, offset: Any, shape: tuple[int, ...], strides: tuple[int, ...]
    ) -> Pending:
        if problem := shape_problem(shape) or shape_problem(strides) or shape_problem((offset,)):
            return _unread(problem)
        if len(strides) != len(shape):
            return _unread("has strides that do not fit its shape")
        count = prod(shape)
        reach = sum((size - 1) * step for size, step in zip(shape, strides, strict=True))
        extent = 1 + reach if count else 0
        if count > max(extent, _REPEATED):
            return _unread(f"has {count} elements, which repeat {extent} of its storage")
        size = BYTES[kind]

        def read() -> np.ndarray:
            if self._read_storage is None:
                raise PickleError("a tensor without a storage")
            content = self._read_storage(key, size, offset, extent)
            flat = to_array(content, kind, (extent,), self._big_endian)
            steps = tuple(step * flat.itemsize for step in strides)
            # The view lies within ``flat``, which has the last element that it reaches.
            view = np.lib.stride_tricks.as_strided(flat, shape, steps, writeable=False)
            return np.array(view) if count else np.zeros(shape, flat.dtype)

        return Pending(kind, shape, read)

    def _module(self, module: Record) -> dict[str, object]:
        """Return the tensors of a pickled module by the names of its state dict."""
        found: dict[str, object] = {}
        pending: list[tuple[str, object]] = [("", module)]
        for _ in range(_MAX_MODULES):
            if not pending:
                break
            prefix, part = pending.pop()
            state = part.state if isinstance(part, Record) else None
            if not isinstance(state, dict) or len(prefix) > 1000:
                continue
            for key in ("_parameters", "_buffers"):
                for name, value in _mapping(state.get(key)).items():
                    if value is not None:
                        found[f"{prefix}{name}"] = value
            inner = _mapping(state.get("_modules"))
            pending += [(f"{prefix}{name}.", value) for name, value in reversed(inner.items())]
        return found


def _mapping(value: object) -> dict[Any, Any]:
    return value if isinstance(value, dict) else {}


def _unread(problem: str) -> Pending:
    """Return a tensor that is not read; ``problem`` follows its name in the message."""

    def read() -> np.ndarray:
        raise PickleError(problem)

    return Pending("", (), read, problem)


def _unread_type(kind: str) -> Pending:
    return _unread(unread_type(kind))


def element_type(named: object) -> str:
    """Return the element type of a storage's class or of one of torch's types."""
    if not isinstance(named, Global):
        return "a tensor of unknown type"
    last = named.name.rsplit(".", 1)[-1]
    if last.endswith("Storage"):
        return _STORAGES.get(last.removesuffix("Storage"), last.removesuffix("Storage").lower())
    return _DTYPES.get(last, last)


def storage_bytes(named: object) -> int:
    """Return the bytes of an element of a storage's class; 0 if it is unknown."""
    kind = element_type(named)
    return BYTES.get(kind, 0) or _OTHER_STORAGES.get(kind, 0)


def _sizes(value: object) -> tuple[Any, ...]:
    if isinstance(value, Record) and value.name == "torch.Size" and value.arguments:
        value = value.arguments[0] if isinstance(value.arguments, tuple) else ()
    return tuple(value) if isinstance(value, tuple | list) else (None,)


def _numpy(function: str, record: Record) -> object:
    """Return a number or a :class:`Pending` for NumPy's scalars and arrays."""
    arguments = record.arguments if isinstance(record.arguments, tuple) else ()
    if function == "scalar" and len(arguments) == 2:
        kind, big = _numpy_kind(arguments[0])
        content = stored_bytes(arguments[1])
        if kind not in BYTES or len(content) != BYTES[kind]:
            return record
        return to_array(content, kind, (), big).item()
    if function == "_reconstruct" and isinstance(record.state, tuple) and len(record.state) == 5:
        _, shape, dtype, fortran, content = record.state
    elif function == "_frombuffer" and len(arguments) == 4:
        content, dtype, shape, order = arguments
        fortran = order == "F"
    else:
        return record
    kind, big = _numpy_kind(dtype)
    if kind not in BYTES:
        return _unread_type(kind)
    sizes = _sizes(shape)
    if problem := shape_problem(sizes):
        return _unread(problem)

    def read() -> np.ndarray:
        found = stored_bytes(content)
        if len(found) != bytes_of(kind, sizes):
            raise PickleError(f"an array of {len(found)} bytes whose shape is {sizes}")
        if fortran:
            return np.array(to_array(found, kind, sizes[::-1], big).transpose())
        return to_array(found, kind, sizes, big)

    return Pending(kind, sizes, read)


def _numpy_kind(dtype: object) -> tuple[str, bool]:
    """Return the element type, and whether it is big-endian."""
    if not isinstance(dtype, Record) or dtype.name != "numpy.dtype":
        return "objects", False
    arguments = dtype.arguments if isinstance(dtype.arguments, tuple) else ()
    name = arguments[0] if arguments else ""
    if not isinstance(name, str) or not re.fullmatch(r"[<>|=]?[a-zA-Z]\d{0,4}", name):
        return "objects", False
    order = dtype.state[1] if isinstance(dtype.state, tuple) and len(dtype.state) > 1 else "<"
    short = name.lstrip("<>|=")
    return NUMPY_KINDS.get(short, short), order == ">" or name.startswith(">")

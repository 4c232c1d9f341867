"""Element types of tensors in files, by the names that each format gives them."""

from __future__ import annotations

from math import prod
from typing import Literal

import numpy as np

BFLOAT16 = "bfloat16"
"""NumPy lacks it: read as its upper halves and widened to float32."""

_NUMPY = {
    "bool": 1, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4,
    "int64": 8, "uint64": 8, "float16": 2, "float32": 4, "float64": 8,
}  # fmt: skip
NUMPY_KINDS = {
    "f2": "float16", "f4": "float32", "f8": "float64", "i1": "int8", "i2": "int16", "i4": "int32",
    "i8": "int64", "u1": "uint8", "u2": "uint16", "u4": "uint32", "u8": "uint64", "b1": "bool",
}  # fmt: skip
"""Element types by NumPy's short names."""

BYTES = {**_NUMPY, BFLOAT16: 2}
"""Bytes of an element by the name of its type; other types are not read."""


def bytes_of(kind: str, shape: tuple[int, ...]) -> int:
    """Return the size of a tensor in bytes."""
    return prod(shape) * BYTES[kind]


def to_array(
    content: bytes | memoryview, kind: str, shape: tuple[int, ...], big_endian: bool = False
) -> np.ndarray:
    """Return a copy of ``content`` as an array of native byte order.

    Args:
        content: exactly :func:`bytes_of` the tensor.
        kind: a key of :data:`BYTES`; bfloat16 gives float32.
        shape: of the tensor.
        big_endian: byte order of the content.
    """
    order: Literal[">", "<"] = ">" if big_endian else "<"
    if kind == BFLOAT16:
        return widened(np.frombuffer(content, f"{order}u2")).reshape(shape)
    dtype = np.dtype(kind)
    if kind == "bool":  # other bytes than 0 and 1 are no bool for NumPy
        return (np.frombuffer(content, np.uint8) != 0).reshape(shape)
    return np.frombuffer(content, dtype.newbyteorder(order)).astype(dtype).reshape(shape)


def widened(halves: np.ndarray) -> np.ndarray:
    """Return bfloat16 numbers, given as 16 bits, as float32."""
    bits = np.atleast_1d(halves).astype(np.uint32) << 16
    return bits.view(np.float32).reshape(np.shape(halves))

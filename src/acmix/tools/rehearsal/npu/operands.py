"""Operands of a call: NumPy's views of the memory that MindSpore uses as the device's.

Kernels see float16 and bfloat16 as float32, and results are rounded when they are written: CANN
multiplies and sums such numbers in float32.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from acmix.utils.array_types import widened

BFLOAT16 = 27
"""aclDataType of bfloat16, which NumPy does not have: the upper half of a float32."""

_TYPES: dict[int, type] = {
    0: np.float32,
    1: np.float16,
    2: np.int8,
    3: np.int32,
    4: np.uint8,
    6: np.int16,
    7: np.uint16,
    8: np.uint32,
    9: np.int64,
    10: np.uint64,
    11: np.float64,
    12: np.bool_,
    BFLOAT16: np.uint16,
}
PLAIN_FORMATS = {0, 1, 2, 27, 30, 47}
"""By aclFormat NCHW, NHWC, ND, NCDHW, NDHWC, NCL, whose numbers lie as the shape says. All others
are layouts of the device."""


def read(operand: Mapping[str, Any]) -> np.ndarray:
    """Return the numbers of a tensor; a copy if their type is float16 or bfloat16.

    Raises:
        ValueError: a format of the device, or a type that is not known.
    """
    values = view(operand)
    if operand["dtype"] == BFLOAT16:
        return widened(values)
    return values.astype(np.float32) if values.dtype == np.float16 else values


def write(operand: Mapping[str, Any], values: Any) -> None:
    """Write numbers to a tensor, rounded to its type.

    Raises:
        ValueError: another shape than that of the tensor.
    """
    target, values = view(operand), np.asarray(values)
    if values.shape != target.shape:
        raise ValueError(f"the result's shape {values.shape} is not the output's {target.shape}")
    target[...] = rounded(values, operand["dtype"])


def rounded(values: np.ndarray, dtype: int) -> np.ndarray:
    """Return values as a number of aclDataType ``dtype`` keeps them."""
    if dtype == BFLOAT16:
        return to_bfloat16(values.astype(np.float32))
    return values.astype(numpy_type(dtype))


def view(operand: Mapping[str, Any]) -> np.ndarray:
    """Return a tensor as it lies in memory; bfloat16 as 16 bits.

    Raises:
        ValueError: a format of the device, or a type that is not known.
    """
    stored = operand.get("storage_format", operand.get("format", 2)) & 0xFF
    if stored not in PLAIN_FORMATS:
        raise ValueError(f"an operand has the device's format {stored}; only plain ones are known")
    dtype: np.dtype = np.dtype(numpy_type(operand["dtype"]))
    shape = tuple(operand["shape"])
    if 0 in shape:
        return np.empty(shape, dtype)
    strides = operand.get("strides")
    steps = [step * dtype.itemsize for step in strides] if strides else None
    address = operand["address"] + operand.get("offset", 0) * dtype.itemsize
    if not operand["address"]:
        raise ValueError("an operand has no memory")
    count = _extent(shape, strides)
    memory = (ctypes.c_char * (count * dtype.itemsize)).from_address(address)
    return np.ndarray(shape, dtype, memoryview(memory), strides=steps)


def numpy_type(dtype: int) -> type:
    """Return NumPy's type of an aclDataType; 16-bit integers for bfloat16."""
    if dtype not in _TYPES:
        raise ValueError(f"aclDataType {dtype} is not known")
    return _TYPES[dtype]


def scalar(operand: Mapping[str, Any]) -> Any:
    """Return the value of a scalar operand: a float, an integer or a bool of Python."""
    value = operand["scalar"]
    if value is None:
        raise ValueError(f"a scalar of aclDataType {operand['dtype']} is not known")
    dtype = operand["dtype"]
    is_float = dtype == BFLOAT16 or np.dtype(numpy_type(dtype)).kind == "f"
    return float(value) if is_float else number(value)  # JSON writes 1.0 as 1


def number(value: Any) -> Any:
    """Return a number of JSON, which writes NaN and infinities as texts."""
    return float(value) if isinstance(value, str) else value


def to_bfloat16(values: np.ndarray) -> np.ndarray:
    """Return the nearest bfloat16 numbers of float32 ones, ties to even, as 16 bits."""
    bits = np.ascontiguousarray(values).view(np.uint32)
    nearest = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    halves = np.where(np.isnan(values), 0x7FC0, nearest).astype(np.uint16)
    return halves.reshape(np.shape(values))


def _extent(shape: Sequence[int], strides: Sequence[int] | None) -> int:
    """Return how many numbers lie from the first to the last of a tensor."""
    if strides is None:
        return int(np.prod(shape, dtype=np.int64))
    return 1 + sum((size - 1) * step for size, step in zip(shape, strides, strict=True))

"""Calls of the software NPU as the stand-ins make them: JSON with addresses of NumPy's arrays."""

import ctypes
import json
import struct

import numpy as np

from acmix.tools.rehearsal.npu import operands
from acmix.tools.rehearsal.npu.device import compute
from acmix.tools.rehearsal.npu.registry import REALS, kernel_of_aclnn

NUMBERS = {np.dtype(kind): number for number, kind in operands._TYPES.items() if number != 27}
"""aclDataType by NumPy's type."""


class Scalar:
    """A scalar operand of aclnn, ``Scalar(0.5)`` or ``Scalar(2, np.int32)``."""

    def __init__(self, value, dtype=np.float32):
        self.value, self.dtype = value, dtype


def tensor(array):
    """Describe an array, with its strides, as the stand-ins do."""
    return {
        "dtype": NUMBERS[array.dtype],
        "format": 2,
        "shape": list(array.shape),
        "strides": [step // array.itemsize for step in array.strides],
        "address": array.ctypes.data,
    }


def described(value):
    """Describe an operand of aclnn: an array, a Scalar, a list of arrays or numbers, or None."""
    if value is None:
        return 0
    if isinstance(value, np.ndarray):
        return tensor(value)
    if isinstance(value, Scalar):
        return {"scalar": value.value, "dtype": NUMBERS[np.dtype(value.dtype)]}
    if value and isinstance(value[0], np.ndarray):
        return {"tensors": [tensor(one) for one in value]}
    keys = {bool: "bools", int: "ints", float: "floats"}
    return {keys[type(value[0])] if value else "ints": list(value)}


def bits(kind, value):
    """Return a plain value as the 64 bits of a register, whose unused ones are set."""
    if kind == "text":
        return ctypes.addressof(value)
    formats = {"bool": "?", "int8": "b", "int32": "i", "int64": "q", "float": "f", "double": "d"}
    return struct.unpack("<Q", struct.pack("<" + formats[kind], value).ljust(8, b"\xff"))[0]


def aclnn(name, *arguments):
    """Call CANN's function with arguments in its order; outputs are arrays that it fills.

    Raises:
        AssertionError: with the answer, if it is not empty.
    """
    words, reals, kept = [], [], []
    for one, value in zip(kernel_of_aclnn(name).parameters, arguments, strict=True):
        if one.kind == "text":
            value = ctypes.create_string_buffer(value.encode())
            kept.append(value)
        if one.kind in REALS:
            reals.append(bits(one.kind, value))
        else:
            words.append(bits(one.kind, value) if one.kind else described(value))
    reals += [0] * (8 - len(reals))
    answer = compute(json.dumps({"kind": "aclnn", "op": name, "args": words, "reals": reals}))
    assert not answer, answer


def aclop(name, inputs, outputs, **attributes):
    """Call an operator of CANN with inputs and outputs by name; outputs are arrays that it fills.

    Raises:
        AssertionError: with the answer, if it is not empty.
    """
    arrays = {key: np.asarray(value) for key, value in inputs.items()}  # kept until the end
    call = {
        "kind": "aclop",
        "op": name,
        "in": [{"name": key, **tensor(value)} for key, value in arrays.items()],
        "out": [{"name": key, **tensor(value)} for key, value in outputs.items()],
        "attrs": attributes,
    }
    answer = compute(json.dumps(call))
    assert not answer, answer

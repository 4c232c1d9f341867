"""Copies to another type, to parameters, and tensors of a constant or of a sequence."""

from __future__ import annotations

import numpy as np

from acmix.tools.rehearsal.npu.operands import BFLOAT16, numpy_type
from acmix.tools.rehearsal.npu.promotion import Operand
from acmix.tools.rehearsal.npu.registry import Spec, aclnn, operator


@aclnn("aclnnCast", "x dtype:int32 >y")
def cast(x: np.ndarray, dtype: int) -> np.ndarray:
    """Return ``x`` in another type.

    Floats are rounded towards zero to integers, or to the nearest of them that the type holds; NaN
    becomes 0. Integers keep their lowest bits.
    """
    if dtype == BFLOAT16:
        return x.astype(np.float32, copy=False)
    target: np.dtype = np.dtype(numpy_type(dtype))
    if target.kind == "b":
        return x != 0
    if target.kind not in "iu" or x.dtype.kind != "f":
        return x.astype(np.float32 if target == np.float16 else target, copy=False)
    bounds = np.iinfo(target)
    whole = np.trunc(np.where(np.isnan(x), 0, x).astype(np.float64))
    limited = np.clip(whole, bounds.min, bounds.max).astype(target)
    return np.where(whole >= float(bounds.max), bounds.max, limited)  # which may be rounded up


@operator("Cast", "x >y")
def cast_operator(x: np.ndarray, *, dst_type: int, truncate: bool = False) -> np.ndarray:
    """Return ``x`` in the type ``dst_type``."""
    return cast(x, dst_type)


@operator("Assign", "ref value >ref")
def assign(
    ref: np.ndarray, value: np.ndarray, *, validate_shape: bool = True, use_locking: bool = False
) -> np.ndarray:
    """Return ``value``, of the shape of ``ref``."""
    return value.reshape(ref.shape)


@operator("AssignAdd", "ref value >ref")
def assign_sum(ref: np.ndarray, value: np.ndarray, *, use_locking: bool = False) -> np.ndarray:
    """Return ref + value."""
    return ref + value


@operator("AssignSub", "var value >var")
def assign_difference(
    var: np.ndarray, value: np.ndarray, *, use_locking: bool = False
) -> np.ndarray:
    """Return var - value."""
    return var - value


@operator("TensorMove", "x >y")
def copy(x: np.ndarray) -> np.ndarray:
    """Return ``x``."""
    return x


@aclnn("aclnnInplaceCopy", "&target source")
def copy_to(target: np.ndarray, source: np.ndarray, *, outputs: list[Spec]) -> np.ndarray:
    """Return ``source`` in the type and the shape of ``target``."""
    return np.broadcast_to(cast(source, outputs[0].dtype), target.shape)


@aclnn("aclnnInplaceZero", "&x")
@operator("ZerosLike", "x >y")
def zeros(x: np.ndarray) -> np.ndarray:
    """Return zeros."""
    return np.zeros_like(x)


@aclnn("aclnnInplaceOne", "&x")
@operator("OnesLike", "x >y")
def ones(x: np.ndarray) -> np.ndarray:
    """Return ones."""
    return np.ones_like(x)


@aclnn("aclnnInplaceFillScalar", "&x value")
@aclnn("aclnnInplaceFillTensor", "&x value")
def fill(x: np.ndarray, value: Operand) -> np.ndarray:
    """Return one value in the shape of ``x``."""
    return np.broadcast_to(np.asarray(value).reshape(()), x.shape)


@operator("Fill", "dims value >y")
def fill_shape(dims: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Return one value in the shape ``dims``."""
    return np.broadcast_to(value.reshape(()), tuple(dims.ravel()))


@operator("Fills", "x >y")
def fill_like(x: np.ndarray, *, value: float) -> np.ndarray:
    """Return one value in the shape of ``x``."""
    return np.full_like(x, value)


@aclnn("aclnnArange", "start end step >y")
def arange(start: float, end: float, step: float, *, outputs: list[Spec]) -> np.ndarray:
    """Return start, start + step, ... below ``end``; as many as the output has."""
    (count,) = outputs[0].shape
    return start + step * np.arange(count)


@operator("Range", "start limit delta >y")
def sequence(
    start: np.ndarray,
    limit: np.ndarray,
    delta: np.ndarray,
    *,
    is_closed: bool = False,
    outputs: list[Spec],
) -> np.ndarray:
    """Return start, start + delta, ... below ``limit``; as many as the output has."""
    return arange(start.item(), limit.item(), delta.item(), outputs=outputs)

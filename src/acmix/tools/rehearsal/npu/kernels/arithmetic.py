"""Arithmetic of two operands, with broadcasting."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from acmix.tools.rehearsal.npu.promotion import (
    Function,
    Operand,
    common,
    in_common,
    in_real,
    real,
)
from acmix.tools.rehearsal.npu.registry import aclnn, operator


@aclnn("aclnnAdd", "x other alpha >y")
@aclnn("aclnnAdds", "x other alpha >y")
@aclnn("aclnnInplaceAdd", "&x other alpha")
@aclnn("aclnnInplaceAdds", "&x other alpha")
def add(x: np.ndarray, other: Operand, alpha: float) -> np.ndarray:
    """Return x + alpha other."""
    left, right = common(x, other)
    return left + (right if alpha == 1 else right * np.asarray(alpha, right.dtype))


@aclnn("aclnnSub", "x other alpha >y")
@aclnn("aclnnSubs", "x other alpha >y")
@aclnn("aclnnInplaceSub", "&x other alpha")
@aclnn("aclnnInplaceSubs", "&x other alpha")
def subtract(x: np.ndarray, other: Operand, alpha: float) -> np.ndarray:
    """Return x - alpha other."""
    left, right = common(x, other)
    return left - (right if alpha == 1 else right * np.asarray(alpha, right.dtype))


@operator("Div", "x1 x2 >y")
@operator("RealDiv", "x1 x2 >y")
def divide_floats(x: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return x / other.

    Raises:
        ValueError: integers, whose rounding CANN does not document.
    """
    left, right = common(x, other)
    if left.dtype.kind != "f":
        raise ValueError(f"the quotient of {left.dtype} is not known")
    return left / right


@aclnn("aclnnFloorDivide", "x other >y")
@aclnn("aclnnFloorDivides", "x other >y")
@operator("FloorDiv", "x1 x2 >y")
def floor_divide(x: np.ndarray, other: Operand) -> np.ndarray:
    """Return floor(x / other).

    Raises:
        ValueError: an integer is divided by 0, which CANN does not document.
    """
    left, right = common(x, other)
    if left.dtype.kind == "f":
        return np.floor(left / right)
    if not right.all():
        raise ValueError("integers are divided by 0")
    return left // right


@aclnn("aclnnDivMod", "x other mode:int32 >y")
@aclnn("aclnnDivMods", "x other mode:int32 >y")
def divide_by_mode(x: np.ndarray, other: Operand, mode: int) -> np.ndarray:
    """Return x / other; of mode 1 rounded towards zero, of mode 2 down."""
    if mode == 2:
        return floor_divide(x, other)
    left, right = real(x, other)
    return np.trunc(left / right) if mode else left / right


@aclnn("aclnnRemainderTensorTensor", "x other >y")
@aclnn("aclnnRemainderTensorScalar", "x other >y")
@aclnn("aclnnRemainderScalarTensor", "x other >y")
@operator("FloorMod", "x1 x2 >y")
def remainder(x: Operand, other: Operand) -> np.ndarray:
    """Return x - floor(x / other) other; an integer's remainder by 0 is the integer."""
    left, right = common(x, other)
    if left.dtype.kind == "f":
        return np.mod(left, right)
    return np.where(right == 0, left, np.mod(left, right))


@aclnn("aclnnPowTensorTensor", "x exponent >y")
@aclnn("aclnnPowTensorScalar", "x exponent >y")
@aclnn("aclnnPowScalarTensor", "x exponent >y")
@operator("Pow", "x1 x2 >y")
def power(x: Operand, exponent: Operand) -> np.ndarray:
    """Return x to the power of exponent."""
    return np.power(*common(x, exponent))


@aclnn("aclnnAddcmul", "x factor other value >y")
def add_product(x: np.ndarray, factor: np.ndarray, other: np.ndarray, value: float) -> np.ndarray:
    """Return x + value factor other."""
    x, factor, other = common(x, factor, other)
    return x + np.asarray(value, x.dtype) * factor * other


@aclnn("aclnnAddcdiv", "x dividend divisor value >y")
def add_quotient(
    x: np.ndarray, dividend: np.ndarray, divisor: np.ndarray, value: float
) -> np.ndarray:
    """Return x + value dividend / divisor."""
    x, dividend, divisor = real(x, dividend, divisor)
    return x + np.asarray(value, x.dtype) * dividend / divisor


@aclnn("aclnnLerp", "x end weight >y")
@aclnn("aclnnLerps", "x end weight >y")
def interpolate(x: np.ndarray, end: np.ndarray, weight: Operand) -> np.ndarray:
    """Return x + weight (end - x)."""
    x, end, weight = common(x, end, weight)
    return x + weight * (end - x)


@operator("AddN", "x* >y")
@operator("AccumulateNV2", "x* >y")
def add_all(x: Sequence[np.ndarray], *, N: int) -> np.ndarray:
    """Return the sum of ``N`` tensors."""
    if len(x) != N:
        raise ValueError(f"{len(x)} tensors, and N is {N}")
    total = x[0]
    for one in x[1:]:
        total = total + one
    return total


@operator("SquaredDifference", "x1 x2 >y")
def squared_difference(x: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return (x - other)²."""
    return np.square(np.subtract(*common(x, other)))


@operator("DivNoNan", "x1 x2 >y")
def divide_or_zero(x: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return x / other, and 0 where other is 0."""
    left, right = real(x, other)
    return np.where(right == 0, 0, left / right)


OF_BOTH_APIS: dict[str, tuple[str, Function]] = {
    "aclnnMaximum": ("Maximum", in_common(np.maximum)),
    "aclnnMinimum": ("Minimum", in_common(np.minimum)),
    "aclnnBitwiseAndTensor": ("BitwiseAnd", in_common(np.bitwise_and)),
    "aclnnBitwiseOrTensor": ("BitwiseOr", in_common(np.bitwise_or)),
    "aclnnBitwiseXorTensor": ("BitwiseXor", in_common(np.bitwise_xor)),
}
for _name, (_type, _function) in OF_BOTH_APIS.items():
    aclnn(_name, "x other >y")(_function)
    operator(_type, "x1 x2 >y")(_function)

OF_TYPES: dict[str, Function] = {
    "Add": in_common(np.add),
    "Sub": in_common(np.subtract),
    "Mul": in_common(np.multiply),
    "Mod": in_common(np.fmod),
}
for _name, _function in OF_TYPES.items():
    operator(_name, "x1 x2 >y")(_function)

OF_ACLNN: dict[str, Function] = {
    "Mul": in_common(np.multiply),
    "Muls": in_common(np.multiply),
    "Div": in_real(np.divide),
    "Divs": in_real(np.divide),
}
for _name, _function in OF_ACLNN.items():
    aclnn(f"aclnn{_name}", "x other >y")(_function)
    aclnn(f"aclnnInplace{_name}", "&x other")(_function)
for _name in ("FmodTensor", "FmodScalar"):
    aclnn(f"aclnn{_name}", "x other >y")(in_common(np.fmod))

"""Comparisons, truth values, and choices by them."""

from __future__ import annotations

import numpy as np

from acmix.tools.rehearsal.npu.promotion import Function, Operand, common, in_common
from acmix.tools.rehearsal.npu.registry import aclnn, operator

COMPARISONS: dict[str, tuple[str, Function]] = {
    "Eq": ("Equal", np.equal),
    "Ne": ("NotEqual", np.not_equal),
    "Gt": ("Greater", np.greater),
    "Ge": ("GreaterEqual", np.greater_equal),
    "Lt": ("Less", np.less),
    "Le": ("LessEqual", np.less_equal),
}
for _name, (_type, _function) in COMPARISONS.items():
    for _other in ("Tensor", "Scalar"):
        aclnn(f"aclnn{_name}{_other}", "x other >y")(in_common(_function))
    operator(_type, "x1 x2 >y")(in_common(_function))

LOGIC: dict[str, Function] = {"And": np.logical_and, "Or": np.logical_or}
for _name, _function in LOGIC.items():
    aclnn(f"aclnnLogical{_name}", "x other >y")(in_common(_function))
    operator(f"Logical{_name}", "x1 x2 >y")(in_common(_function))
aclnn("aclnnLogicalXor", "x other >y")(in_common(np.logical_xor))

OF_ONE: dict[str, Function] = {
    "IsFinite": np.isfinite,
    "IsInf": np.isinf,
    "LogicalNot": np.logical_not,
}
for _name, _function in OF_ONE.items():
    aclnn(f"aclnn{_name}", "x >y")(in_common(_function))
    operator(_name, "x >y")(in_common(_function))
operator("IsNan", "x >y")(in_common(np.isnan))


@aclnn("aclnnSWhere", "condition x other >y")
@operator("Select", "condition x1 x2 >y")
@operator("SelectV2", "condition then else >result")
def select(condition: np.ndarray, x: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return ``x`` where ``condition`` is true, else ``other``."""
    chosen, left = common(x, other)
    return np.where(condition.astype(bool), chosen, left)


@aclnn("aclnnInplaceMaskedFillTensor", "&x mask value")
@aclnn("aclnnInplaceMaskedFillScalar", "&x mask value")
@operator("MaskedFill", "x mask value >y")
def masked_fill(x: np.ndarray, mask: np.ndarray, value: Operand) -> np.ndarray:
    """Return ``x`` with one value where ``mask`` is true."""
    return np.where(mask.astype(bool), np.asarray(value, x.dtype), x)


@aclnn("aclnnClamp", "x least largest >y")
@aclnn("aclnnClampTensor", "x least largest >y")
@operator("ClipByValue", "x clip_value_min clip_value_max >y")
@operator("ClipByValueV2", "x clip_value_min clip_value_max >y")
def clamp(x: np.ndarray, least: Operand | None, largest: Operand | None) -> np.ndarray:
    """Return min(max(x, least), largest); either bound may be missing."""
    if least is not None:
        x = np.maximum(*common(x, least))
    if largest is not None:
        x = np.minimum(*common(x, largest))
    return x


@aclnn("aclnnClampMin", "x least >y")
def clamp_from_below(x: np.ndarray, least: Operand) -> np.ndarray:
    """Return max(x, least)."""
    return clamp(x, least, None)

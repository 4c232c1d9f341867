"""Functions of one operand, number by number."""

from __future__ import annotations

import numpy as np
from scipy import special

from acmix.tools.rehearsal.npu.promotion import Function, in_common, in_real, real
from acmix.tools.rehearsal.npu.registry import aclnn, operator


@aclnn("aclnnRoundDecimals", "x decimals:int64 >y")
def round_to_decimals(x: np.ndarray, decimals: int) -> np.ndarray:
    """Return the nearest multiples of 10^-decimals, ties to even."""
    if decimals == 0 or x.dtype.kind != "f":
        return np.rint(x) if decimals == 0 else np.around(x, decimals)
    scale = np.asarray(10.0**decimals, x.dtype)
    return np.rint(x * scale) / scale


@operator("Round", "x >y")
def round_operator(x: np.ndarray, *, decimals: int = 0) -> np.ndarray:
    """Return the nearest multiples of 10^-decimals, ties to even."""
    return round_to_decimals(x, decimals)


@operator("Exp", "x >y")
def exponential(
    x: np.ndarray, *, base: float = -1, scale: float = 1, shift: float = 0
) -> np.ndarray:
    """Return base^(scale x + shift); base -1 is e."""
    (x,) = real(x)
    exponent = np.asarray(scale, x.dtype) * x + np.asarray(shift, x.dtype)
    return np.exp(exponent) if base == -1 else np.power(np.asarray(base, x.dtype), exponent)


@operator("Log", "x >y")
def logarithm(x: np.ndarray, *, base: float = -1, scale: float = 1, shift: float = 0) -> np.ndarray:
    """Return log(scale x + shift) to a base; -1 is e."""
    (x,) = real(x)
    result = np.log(np.asarray(scale, x.dtype) * x + np.asarray(shift, x.dtype))
    return result if base == -1 else result / np.log(np.asarray(base, x.dtype))


@aclnn("aclnnNanToNum", "x nan:float largest:float least:float >y")
def replace_not_finite(x: np.ndarray, nan: float, largest: float, least: float) -> np.ndarray:
    """Return x with NaN, infinity and minus infinity replaced."""
    return np.nan_to_num(x, nan=nan, posinf=largest, neginf=least)


@aclnn("aclnnAllFinite", "gradient &found")
def find_not_finite(gradient: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Return whether ``found``, or a number that is not finite is in ``gradient``.

    The operator is MindSpore's own, and means the opposite of its name. One call follows another
    with the same output, which MindSpore clears before the first.
    """
    return found | ~np.isfinite(gradient).all()


def square(x: np.ndarray) -> np.ndarray:
    """Return x²."""
    return x * x


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-x))."""
    return special.expit(x)


def reciprocal_root(x: np.ndarray) -> np.ndarray:
    """Return 1 / sqrt(x)."""
    return 1 / np.sqrt(x)


OF_ANY_TYPE: dict[str, Function] = {
    "Abs": np.abs,
    "Ceil": np.ceil,
    "Floor": np.floor,
    "Neg": np.negative,
    "Sign": np.sign,
}
OF_FLOATS: dict[str, Function] = {
    "Cos": np.cos,
    "Erf": special.erf,
    "Erfc": special.erfc,
    "Expm1": np.expm1,
    "Log1p": np.log1p,
    "Reciprocal": np.reciprocal,
    "Rsqrt": reciprocal_root,
    "Sigmoid": sigmoid,
    "Sin": np.sin,
    "Sqrt": np.sqrt,
    "Tan": np.tan,
    "Tanh": np.tanh,
}
OF_BOTH = {
    **{name: in_common(function) for name, function in OF_ANY_TYPE.items()},
    **{name: in_real(function) for name, function in OF_FLOATS.items()},
}
for _name, _function in OF_BOTH.items():
    aclnn(f"aclnn{_name}", "x >y")(_function)
    operator(_name, "x >y")(_function)

OF_ACLNN: dict[str, Function] = {
    "Exp": in_real(np.exp),
    "Exp2": in_real(np.exp2),
    "Log": in_real(np.log),
    "Log10": in_real(np.log10),
    "Log2": in_real(np.log2),
    "Round": in_common(np.rint),
    "Trunc": in_common(np.trunc),
}
for _name, _function in OF_ACLNN.items():
    aclnn(f"aclnn{_name}", "x >y")(_function)

for _name, _function in {"Square": in_common(square), "Rint": in_common(np.rint)}.items():
    operator(_name, "x >y")(_function)

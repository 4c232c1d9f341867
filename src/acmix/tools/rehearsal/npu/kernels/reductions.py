"""Sums, means, extremes and their places over axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from acmix.tools.rehearsal.npu.kernels.copies import cast
from acmix.tools.rehearsal.npu.registry import aclnn, operator

Reduction = Callable[..., np.ndarray]
Axes = Sequence[int] | None


def total(x: np.ndarray, axis: tuple[int, ...], keepdims: bool) -> np.ndarray:
    """Return sums; of float32 in float32, of integers in int64."""
    return np.sum(x, axis=axis, keepdims=keepdims)


def mean(x: np.ndarray, axis: tuple[int, ...], keepdims: bool) -> np.ndarray:
    """Return means."""
    return np.mean(x if x.dtype.kind == "f" else x.astype(np.float32), axis, keepdims=keepdims)


REDUCTIONS: dict[str, Reduction] = {
    "ReduceAll": np.all,
    "ReduceAny": np.any,
    "ReduceMax": np.max,
    "ReduceMean": mean,
    "ReduceMin": np.min,
    "ReduceProd": np.prod,
    "ReduceSum": total,
}
NOOP_BY_DEFAULT = {"ReduceMean"}
"""Types that return their operand where no axis is given, unless they are told otherwise."""


def reduction(function: Reduction, noop: bool) -> Reduction:
    """Return a kernel of a type that reduces over ``axes``; over all where none is given."""

    def reduce(
        x: np.ndarray,
        axes: np.ndarray | None,
        *,
        keep_dims: bool = False,
        noop_with_empty_axes: bool = noop,
    ) -> np.ndarray:
        chosen = [] if axes is None else axes.ravel().tolist()
        if noop_with_empty_axes and not chosen:
            return x
        return over(function, x, chosen, keep_dims)

    return reduce


def over(function: Reduction, x: np.ndarray, axes: Axes, keep: bool) -> np.ndarray:
    """Reduce over ``axes``, which may be negative; over all where there are none.

    A scalar has the axis 0.
    """
    axis = tuple(axes or range(x.ndim)) if x.ndim else ()
    return function(x, axis=axis, keepdims=keep)


for _type, _function in REDUCTIONS.items():
    operator(_type, "x axes >y")(reduction(_function, _type in NOOP_BY_DEFAULT))


@aclnn("aclnnReduceSum", "x axes keep:bool dtype:int32 >y")
def reduce_sum(x: np.ndarray, axes: Axes, keep: bool, dtype: int) -> np.ndarray:
    """Return sums, made in the type ``dtype`` but float16, whose are made in float32."""
    return over(total, cast(x, dtype), axes, keep)


@aclnn("aclnnMean", "x axes keep:bool dtype:int32 >y")
def reduce_mean(x: np.ndarray, axes: Axes, keep: bool, dtype: int) -> np.ndarray:
    """Return means, made in the type ``dtype`` but float16, whose are made in float32."""
    return over(mean, cast(x, dtype), axes, keep)


@aclnn("aclnnAmax", "x axes keep:bool >y")
def largest(x: np.ndarray, axes: Axes, keep: bool) -> np.ndarray:
    """Return maxima; NaN where one is."""
    return over(np.max, x, axes, keep)


@aclnn("aclnnAmin", "x axes keep:bool >y")
def least(x: np.ndarray, axes: Axes, keep: bool) -> np.ndarray:
    """Return minima; NaN where one is."""
    return over(np.min, x, axes, keep)


@aclnn("aclnnAll", "x axes keep:bool >y")
def every(x: np.ndarray, axes: Axes, keep: bool) -> np.ndarray:
    """Return whether all are true."""
    return over(np.all, x, axes, keep)


@aclnn("aclnnAny", "x axes keep:bool >y")
def some(x: np.ndarray, axes: Axes, keep: bool) -> np.ndarray:
    """Return whether any is true."""
    return over(np.any, x, axes, keep)


@aclnn("aclnnMax", "x >y")
def largest_of_all(x: np.ndarray) -> np.ndarray:
    """Return the maximum."""
    return np.max(x)


@aclnn("aclnnMin", "x >y")
def least_of_all(x: np.ndarray) -> np.ndarray:
    """Return the minimum."""
    return np.min(x)


@aclnn("aclnnProd", "x dtype:int32 >y")
def product_of_all(x: np.ndarray, dtype: int) -> np.ndarray:
    """Return the product, made in the type ``dtype``."""
    return np.prod(cast(x, dtype))


@aclnn("aclnnProdDim", "x axis:int64 keep:bool dtype:int32 >y")
def product(x: np.ndarray, axis: int, keep: bool, dtype: int) -> np.ndarray:
    """Return products, made in the type ``dtype``."""
    return np.prod(cast(x, dtype), axis, keepdims=keep)


@aclnn("aclnnArgMax", "x axis:int64 keep:bool >y")
def place_of_largest(x: np.ndarray, axis: int, keep: bool) -> np.ndarray:
    """Return indices of the first maxima; NaN counts as the largest."""
    return np.argmax(x, axis, keepdims=keep)


@aclnn("aclnnArgMin", "x axis:int64 keep:bool >y")
def place_of_least(x: np.ndarray, axis: int, keep: bool) -> np.ndarray:
    """Return indices of the first minima; NaN counts as the least."""
    return np.argmin(x, axis, keepdims=keep)


@operator("ArgMaxV2", "x dimension >y")
def place_of_largest_operator(
    x: np.ndarray, dimension: np.ndarray, *, dtype: int = 9
) -> np.ndarray:
    """Return indices of the first maxima."""
    return np.argmax(x, dimension.item())


@aclnn("aclnnMaxDim", "x axis:int64 keep:bool >values >indices")
def largest_and_place(x: np.ndarray, axis: int, keep: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return maxima and the indices of the first of them."""
    return np.max(x, axis, keepdims=keep), place_of_largest(x, axis, keep)


@aclnn("aclnnMinDim", "x axis:int64 keep:bool >values >indices")
def least_and_place(x: np.ndarray, axis: int, keep: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return minima and the indices of the first of them."""
    return np.min(x, axis, keepdims=keep), place_of_least(x, axis, keep)


@operator("ArgMaxWithValue", "x >indice >values")
def place_and_largest(
    x: np.ndarray, *, dimension: int, keep_dims: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return indices of the first maxima, and the maxima."""
    return largest_and_place(x, dimension, keep_dims)[::-1]


@operator("ArgMinWithValue", "x >indice >values")
def place_and_least(
    x: np.ndarray, *, dimension: int, keep_dims: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return indices of the first minima, and the minima."""
    return least_and_place(x, dimension, keep_dims)[::-1]


@aclnn("aclnnCumsum", "x axis:int64 dtype:int32 >y")
def running_sum(x: np.ndarray, axis: int, dtype: int) -> np.ndarray:
    """Return the sums of all up to each."""
    return np.cumsum(cast(x, dtype), axis)


@operator("Cumsum", "x axis >y")
def running_sum_operator(
    x: np.ndarray, axis: np.ndarray, *, exclusive: bool = False, reverse: bool = False
) -> np.ndarray:
    """Return the sums of all up to each, or before it; from the end if ``reverse``."""
    along = axis.item()
    turned = np.flip(x, along) if reverse else x
    sums = np.cumsum(turned, along, dtype=x.dtype)
    if exclusive:
        sums = sums - turned
    return np.flip(sums, along) if reverse else sums

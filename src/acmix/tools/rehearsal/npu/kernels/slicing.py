"""Slices of tensors, and their gradients."""

from __future__ import annotations

from collections.abc import Sequence
from types import EllipsisType

import numpy as np

from acmix.tools.rehearsal.npu.registry import aclnn, operator

Index = tuple[int | slice | EllipsisType | None, ...]


@operator("Slice", "x offsets size >y")
def slice_of(x: np.ndarray, offsets: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Return ``size`` numbers of each axis from ``offsets`` on; a size of -1 is all to the end."""
    return x[_sliced(x.shape, offsets, size)]


@operator("SliceD", "x >y")
def slice_d(x: np.ndarray, *, offsets: Sequence[int], size: Sequence[int]) -> np.ndarray:
    """Return ``size`` numbers of each axis from ``offsets`` on; a size of -1 is all to the end."""
    return x[_sliced(x.shape, offsets, size)]


@operator("CustSliceGrad", "dy x begin size >dx")
def slice_grad(
    gradient: np.ndarray, x: np.ndarray, offsets: np.ndarray, size: np.ndarray
) -> np.ndarray:
    """Return the gradient of :func:`slice_of`: zeros where nothing was taken."""
    whole = np.zeros(x.shape, gradient.dtype)
    whole[_sliced(x.shape, offsets, size)] = gradient
    return whole


@aclnn("aclnnSlice", "self dim:int64 start:int64 end:int64 step:int64 >out")
def slice_along(x: np.ndarray, axis: int, start: int, end: int, step: int) -> np.ndarray:
    """Return every ``step``-th number of an axis, negative places counting from its end."""
    return x[(slice(None),) * (axis % x.ndim) + (slice(start, end, step),)]


@operator("StridedSlice", "x begin end strides >y")
def strided_slice(
    x: np.ndarray,
    begin: np.ndarray,
    end: np.ndarray,
    strides: np.ndarray | None,
    *,
    begin_mask: int = 0,
    end_mask: int = 0,
    ellipsis_mask: int = 0,
    new_axis_mask: int = 0,
    shrink_axis_mask: int = 0,
) -> np.ndarray:
    """Return what ``x[begin:end:strides]`` is, see :func:`_index` for the masks."""
    masks = begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask
    return x[_index(begin, end, strides, masks)]


@operator("StridedSliceD", "x >y")
def strided_slice_d(
    x: np.ndarray,
    *,
    begin: Sequence[int],
    end: Sequence[int],
    strides: Sequence[int],
    begin_mask: int = 0,
    end_mask: int = 0,
    ellipsis_mask: int = 0,
    new_axis_mask: int = 0,
    shrink_axis_mask: int = 0,
) -> np.ndarray:
    """Return what ``x[begin:end:strides]`` is, see :func:`_index` for the masks."""
    masks = begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask
    return x[_index(begin, end, strides, masks)]


@operator("StridedSliceGrad", "shape begin end strides dy >output")
def strided_slice_grad(
    shape: np.ndarray,
    begin: np.ndarray,
    end: np.ndarray,
    strides: np.ndarray,
    gradient: np.ndarray,
    *,
    begin_mask: int = 0,
    end_mask: int = 0,
    ellipsis_mask: int = 0,
    new_axis_mask: int = 0,
    shrink_axis_mask: int = 0,
) -> np.ndarray:
    """Return the gradient of :func:`strided_slice`: zeros where nothing was taken."""
    masks = begin_mask, end_mask, ellipsis_mask, new_axis_mask, shrink_axis_mask
    whole = np.zeros([int(size) for size in shape], gradient.dtype)
    whole[_index(begin, end, strides, masks)] = gradient
    return whole


def _sliced(
    shape: Sequence[int], offsets: Sequence[int] | np.ndarray, size: Sequence[int] | np.ndarray
) -> tuple[slice, ...]:
    parts = []
    for whole, start, count in zip(shape, map(int, offsets), map(int, size), strict=True):
        end = whole if count == -1 else start + count
        if not 0 <= start <= end <= whole:
            raise ValueError(f"{count} from {start} on is outside of an axis of {whole}")
        parts.append(slice(start, end))
    return tuple(parts)


def _index(
    begin: Sequence[int] | np.ndarray,
    end: Sequence[int] | np.ndarray,
    strides: Sequence[int] | np.ndarray | None,
    masks: tuple[int, int, int, int, int],
) -> Index:
    """Return Python's index; bit i of a mask speaks of entry i.

    Of ``begin`` and ``end``: from the start, or to the end, whatever the entry says. Of the others,
    in this order: the entry is ``...``, or a new axis, or one place, which drops the axis.
    """
    steps = [1] * len(begin) if strides is None else strides
    entries = zip(map(int, begin), map(int, end), map(int, steps), strict=True)
    index: list[int | slice | EllipsisType | None] = []
    for i, (start, stop, step) in enumerate(entries):
        from_start, to_end, is_ellipsis, is_new, is_place = (bool(mask >> i & 1) for mask in masks)
        if is_ellipsis:
            index.append(...)
        elif is_new:
            index.append(None)
        elif is_place:
            index.append(start)
        else:
            index.append(slice(None if from_start else start, None if to_end else stop, step))
    return tuple(index)

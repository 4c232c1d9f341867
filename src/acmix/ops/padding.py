"""Padding by zeros and by reflection, in operators every back end exports."""

from __future__ import annotations

import numpy as np
from mindspore import Tensor, ops

LOWEST = -1e4
"""Stands for minus infinity: finite in float16."""


def zero_pad(x: Tensor, top: int, bottom: int, left: int, right: int) -> Tensor:
    """Zero-pad the two spatial axes of (B, C, H, W)."""
    return _zero_pad(_zero_pad(x, 2, top, bottom), 3, left, right)


def lowest_pad(x: Tensor, top: int, bottom: int, left: int, right: int) -> Tensor:
    """Pad the two spatial axes of (B, C, H, W) by -1e4, which a maximum does not choose."""
    return _pad(_pad(x, 2, top, bottom, LOWEST), 3, left, right, LOWEST)


def lowest_pad_rows(x: Tensor, count: int) -> Tensor:
    """Append ``count`` columns of -1e4 to (R, C)."""
    return _pad(x, 1, 0, count, LOWEST)


def pad_to_multiple(x: Tensor, size: int) -> Tensor:
    """Zero-pad (B, C, H, W) at the bottom and right to sides that are multiples of ``size``."""
    return zero_pad(x, 0, -x.shape[2] % size, 0, -x.shape[3] % size)


def zero_pad_tokens(x: Tensor, bottom: int, right: int) -> Tensor:
    """Zero-pad the two spatial axes of (B, H, W, C) at their ends."""
    return _zero_pad(_zero_pad(x, 1, 0, bottom), 2, 0, right)


def crop_tokens(x: Tensor, height: int, width: int) -> Tensor:
    """Undo :func:`zero_pad_tokens`: (B, H, W, C) to (B, height, width, C)."""
    for axis, length in ((1, height), (2, width)):
        rest = x.shape[axis] - length
        if rest > 0:
            x = ops.split(x, (length, rest), axis)[0]
    return x


def zero_pad_sequence(x: Tensor, front: int) -> Tensor:
    """Put ``front`` zero tokens before (B, L, C)."""
    return _zero_pad(x, 1, front, 0)


def put_in_front(x: Tensor, token: Tensor) -> Tensor:
    """Put one token (1, 1, C) before every sequence (B, L, C): to (B, 1 + L, C)."""
    return ops.cat((_zeros(x, 1) + token.astype(x.dtype), x), 1)


def _zero_pad(x: Tensor, axis: int, before: int, after: int) -> Tensor:
    return _pad(x, axis, before, after, 0.0)


def _pad(x: Tensor, axis: int, before: int, after: int, value: float) -> Tensor:
    """Pad one axis by concatenation: on CPU ``ops.Pad`` takes twenty times as long."""
    if before == 0 and after == 0:
        return x
    line = _zeros(x, axis)
    if value:
        line = line + value
    return ops.cat((line,) * before + (x,) + (line,) * after, axis)


def _zeros(x: Tensor, axis: int) -> Tensor:
    """Return zeros of the shape of ``x``, but for a 1 at an axis that is not the first."""
    # Zeros made from x, since the size of the batch may be known at run time only; by a product,
    # since the ONNX exporter knows no ZerosLike. The slice has no gradient, and on CPU no kernel
    # for one with an open size (2.8). A condition on the size would be a branch in the graph, and
    # Slice with a size of -1 is an empty slice in ONNX.
    end = tuple([1 if i == axis else (x.shape[i] if i else 1) for i in range(x.ndim)])
    first = ops.StridedSlice(end_mask=1)(x, (0,) * x.ndim, end, (1,) * x.ndim)
    return ops.Mul()(ops.stop_gradient(first), 0.0)


def reflect_index(index: np.ndarray, length: int) -> np.ndarray:
    """Map positions outside of ``0..length-1`` inside by reflection without repeating the edge.

    The reflection is periodic, so that a map smaller than the padding (which torch refuses) is
    well defined too; of a map of length 1 the single element is repeated.
    """
    if length == 1:
        return np.zeros_like(index)
    period = 2 * (length - 1)
    index = np.abs(index) % period
    return np.where(index >= length, period - index, index)

"""Padding by zeros and by reflection, and cyclic rolls, in operators every back end exports."""

from __future__ import annotations

import numpy as np
from mindspore import Tensor, ops


def zero_pad(x: Tensor, top: int, bottom: int, left: int, right: int) -> Tensor:
    """Zero-pad the two spatial axes of (B, C, H, W)."""
    if top == 0 and bottom == 0 and left == 0 and right == 0:
        return x
    return ops.Pad(((0, 0), (0, 0), (top, bottom), (left, right)))(x)


def zero_pad_tokens(x: Tensor, bottom: int, right: int) -> Tensor:
    """Zero-pad the two spatial axes of (B, H, W, C) at their ends."""
    if bottom == 0 and right == 0:
        return x
    return ops.Pad(((0, 0), (0, bottom), (0, right), (0, 0)))(x)


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


def roll_tokens(x: Tensor, shift: int) -> Tensor:
    """Roll (B, H, W, C) cyclically by ``shift`` along H and W.

    ``ops.roll`` has no CPU kernel; two slices and a concatenation per axis exist everywhere.
    """
    if shift == 0:
        return x
    for axis in (1, 2):
        length = x.shape[axis]
        split = (length - shift) % length
        if split > 0:
            head, tail = ops.split(x, (split, length - split), axis)
            x = ops.cat((tail, head), axis)
    return x

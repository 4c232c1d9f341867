"""Shift and sum, the aggregation of a decomposed convolution (paper Eq. 4, 7, 8, 14-17)."""

from __future__ import annotations

from typing import Any

import numpy as np
from mindspore import Tensor, ops

from acmix.ops.padding import zero_pad


def shift_kernels(kernel_size: int) -> np.ndarray:
    """Return the one-hot kernels that shift (Eq. 15), shape (k*k, k, k).

    Kernel ``i`` has its one at ``(i // k, i % k)``: under cross-correlation with padding ``k // 2``
    it moves the map by ``(i // k - k // 2, i % k - k // 2)``.
    """
    return np.eye(kernel_size**2, dtype=np.float32).reshape(-1, kernel_size, kernel_size)


def shift_sum(maps: Tensor, kernel_size: int, stride: int = 1, dilation: int = 1) -> Tensor:
    """Shift each of k*k maps to its own side and add them up (Eq. 7, 8), by slicing alone.

    Args:
        maps: (B, d * k*k, H, W); channel ``g * k*k + i`` is moved by shift ``i`` of
            :func:`shift_kernels`.
        kernel_size: k, odd.
        stride: step of the output grid.
        dilation: distance between neighbouring shifts.

    Returns:
        (B, d, ceil(H / stride), ceil(W / stride)).
    """
    count = kernel_size * kernel_size
    _, channels, height, width = maps.shape
    border = dilation * (kernel_size // 2)
    padded = zero_pad(maps, border, border, border, border)
    padded = padded.reshape((-1, count, height + 2 * border, width + 2 * border))
    total: Any = None
    for index in range(count):
        top = index // kernel_size * dilation
        left = index % kernel_size * dilation
        moved = ops.strided_slice(
            padded,
            (0, index, top, left),
            (padded.shape[0], index + 1, top + height, left + width),
            (1, 1, stride, stride),
        )
        total = moved if total is None else total + moved
    return total.reshape((-1, channels // count, total.shape[2], total.shape[3]))


def repeat_channels(x: Tensor, repeats: int) -> Tensor:
    """Copy every channel of (B, C, H, W) ``repeats`` times in place: (B, C * repeats, H, W)."""
    if repeats == 1:
        return x
    _, channels, height, width = x.shape
    ones = ops.ones((1, 1, repeats, 1), x.dtype)
    return (x.reshape((-1, channels, 1, height * width)) * ones).reshape(
        (-1, channels * repeats, height, width)
    )

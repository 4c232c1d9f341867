"""Convolutions as products of matrices: of filters and of all windows of an image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from acmix.tools.rehearsal.npu.windows import Windows


def convolve(x: np.ndarray, weight: np.ndarray, windows: Windows, groups: int) -> np.ndarray:
    """Return the convolution of ``x`` (B, C, H, W) with ``weight`` (O, C / groups, kh, kw)."""
    rows, columns = windows.grid(x.shape)
    y = _grouped(weight, groups) @ _matrices(x, windows, groups)
    return y.reshape(len(x), len(weight), rows, columns)


def gradient_of_input(
    gradient: np.ndarray,
    weight: np.ndarray,
    shape: Sequence[int],
    windows: Windows,
    groups: int,
) -> np.ndarray:
    """Return the gradient of a convolution's input of ``shape`` from that of its output."""
    each = _grouped(weight, groups).swapaxes(-1, -2) @ _flat(gradient, groups)
    size = (*shape[:2], *weight.shape[2:], *gradient.shape[2:])
    return windows.add_up(each.reshape(size), shape)


def gradient_of_filter(
    gradient: np.ndarray, x: np.ndarray, windows: Windows, groups: int
) -> np.ndarray:
    """Return the gradient of a convolution's weight from that of its output."""
    columns = _matrices(x, windows, groups)
    total = (_flat(gradient, groups) @ columns.swapaxes(-1, -2)).sum(axis=0)
    return total.reshape(gradient.shape[1], x.shape[1] // groups, *windows.kernel)


def _matrices(x: np.ndarray, windows: Windows, groups: int) -> np.ndarray:
    """Return all windows of ``x``, a column each: (B, groups, C / groups * kh * kw, windows)."""
    rows, columns = windows.grid(x.shape)
    per_group = x.shape[1] // groups * windows.kernel[0] * windows.kernel[1]
    return windows.of(x).reshape(len(x), groups, per_group, rows * columns)


def _grouped(weight: np.ndarray, groups: int) -> np.ndarray:
    return weight.reshape(groups, len(weight) // groups, -1)


def _flat(gradient: np.ndarray, groups: int) -> np.ndarray:
    batch, channels = gradient.shape[:2]
    return gradient.reshape(batch, groups, channels // groups, -1)

"""Sliding windows of images (B, C, H, W), for convolutions and pools."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Windows(NamedTuple):
    """Where windows lie: sizes of two axes each; ``pads`` are top, bottom, left and right."""

    kernel: Sequence[int]
    strides: Sequence[int]
    pads: Sequence[int]
    dilations: Sequence[int] = (1, 1)

    def grid(self, shape: Sequence[int]) -> tuple[int, int]:
        """Return how many rows and columns of windows an image (..., H, W) has."""
        high, wide = (
            (shape[axis] + self.pads[2 * axis] + self.pads[2 * axis + 1] - self.reach(axis))
            // self.strides[axis]
            + 1
            for axis in (-2, -1)
        )
        return high, wide

    def reach(self, axis: int) -> int:
        """Return how many pixels a window spans along an axis, -2 or -1."""
        return self.dilations[axis] * (self.kernel[axis] - 1) + 1

    def of(self, x: np.ndarray, fill: float = 0, grid: tuple[int, int] | None = None) -> np.ndarray:
        """Return the windows of ``x`` (B, C, H, W) padded: (B, C, kh, kw, rows, columns).

        ``grid`` is how many rows and columns, more than fit with ceil_mode.
        """
        rows, columns = grid or self.grid(x.shape)
        padded = np.full(x.shape[:2] + self._padded(x.shape, (rows, columns)), fill, x.dtype)
        padded[self._inside(x.shape)] = x
        batch, channel, high, wide = padded.strides
        steps = [high * self.dilations[0], wide * self.dilations[1]]
        steps += [high * self.strides[0], wide * self.strides[1]]
        shape = (*x.shape[:2], *self.kernel, rows, columns)
        return np.lib.stride_tricks.as_strided(padded, shape, (batch, channel, *steps))

    def add_up(self, windows: np.ndarray, shape: Sequence[int]) -> np.ndarray:
        """Return the image of ``shape`` (B, C, H, W) whose pixels sum what windows hold of them.

        The gradient of :meth:`of`; ``windows`` are (B, C, kh, kw, rows, columns).
        """
        rows, columns = windows.shape[-2:]
        image = np.zeros((*shape[:2], *self._padded(shape, (rows, columns))), windows.dtype)
        for i in range(self.kernel[0]):
            for j in range(self.kernel[1]):
                top, left = i * self.dilations[0], j * self.dilations[1]
                down = slice(top, top + (rows - 1) * self.strides[0] + 1, self.strides[0])
                right = slice(left, left + (columns - 1) * self.strides[1] + 1, self.strides[1])
                image[:, :, down, right] += windows[:, :, i, j]
        return image[self._inside(shape)]

    def _padded(self, shape: Sequence[int], grid: tuple[int, int]) -> tuple[int, int]:
        """Return height and width of a padded image that holds all windows and all pixels."""
        high, wide = (
            max(
                (grid[axis] - 1) * self.strides[axis] + self.reach(axis),
                shape[axis] + self.pads[2 * axis],
            )
            for axis in (-2, -1)
        )
        return high, wide

    def _inside(self, shape: Sequence[int]) -> tuple[slice, ...]:
        top, left = self.pads[0], self.pads[2]
        return (..., slice(top, top + shape[-2]), slice(left, left + shape[-1]))  # type: ignore


def pads_of_same(shape: Sequence[int], windows: Windows) -> tuple[int, int, int, int]:
    """Return the pads of ``SAME``: ceil(size / stride) windows, an odd pixel at the end."""
    pads: list[int] = []
    for axis in (-2, -1):
        count = -(-shape[axis] // windows.strides[axis])
        whole = (count - 1) * windows.strides[axis] + windows.reach(axis) - shape[axis]
        before = max(whole, 0) // 2
        pads += [before, max(whole, 0) - before]
    top, bottom, left, right = pads
    return top, bottom, left, right


def spatial(values: Sequence[int], data_format: str) -> Sequence[int]:
    """Return the two numbers of height and width among four of an image.

    Raises:
        ValueError: another layout than NCHW, or other numbers than 1 for batch and channels.
    """
    if data_format != "NCHW":
        raise ValueError(f"data_format {data_format}; only NCHW is known")
    if len(values) != 4 or list(values[:2]) != [1, 1]:
        raise ValueError(f"windows over batch or channels, {list(values)}")
    return values[2:]

"""Shifted windows (Swin) over a map of any size: index tables, mask, relative positions.

Padding to whole windows, the cyclic shift, the cut into windows and the split into heads are one
permutation of rows, and so is the way back. All tables are NumPy on plain integers, made once per
shape.
"""

from __future__ import annotations

import functools

import numpy as np

from acmix.ops.neighbourhood import MASKED


def _padded(length: int, window_size: int) -> int:
    return -(-length // window_size) * window_size


@functools.lru_cache(maxsize=256)
def _window_pixels(
    height: int, width: int, window_size: int, shift: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return, per window and position in it, (windows, w^2): row, column, and region.

    Rows and columns are those of the padded map rolled by ``-shift``; the region numbers the parts
    of it that are adjacent in the image.
    """
    lines, regions = [], []
    for length in (height, width):
        full = _padded(length, window_size)
        region = np.zeros(full, np.int64)
        if shift:
            region[-window_size:] = 1
            region[-shift:] = 2
        lines.append(np.roll(np.arange(full), -shift))
        regions.append(region)
    rows, columns = (len(line) // window_size for line in lines)

    def cut(plane: np.ndarray) -> np.ndarray:
        plane = plane.reshape(rows, window_size, columns, window_size).transpose(0, 2, 1, 3)
        return plane.reshape(rows * columns, window_size**2)

    shape = len(lines[0]), len(lines[1])
    return (
        cut(np.broadcast_to(lines[0][:, None], shape)),
        cut(np.broadcast_to(lines[1][None], shape)),
        cut(regions[0][:, None] * 3 + regions[1][None]),
    )


def window_rows(
    height: int, width: int, window_size: int, shift: int, num_heads: int
) -> np.ndarray:
    """Return the rows of (H * W * N, d) that make up the windows, in order (window, head, pixel).

    Padding reads the nearest pixel of the image; :func:`window_mask` hides it.
    """
    row, column, _ = _window_pixels(height, width, window_size, shift)
    pixel = np.minimum(row, height - 1) * width + np.minimum(column, width - 1)
    rows = pixel[:, None, :] * num_heads + np.arange(num_heads)[None, :, None]
    return rows.reshape(-1).astype(np.int32)


def image_rows(height: int, width: int, window_size: int, shift: int, num_heads: int) -> np.ndarray:
    """Return the inverse of :func:`window_rows`: where each (pixel, head) of the image stands."""
    row, column, _ = _window_pixels(height, width, window_size, shift)
    windows, pixels = row.shape
    position = np.full((_padded(height, window_size), _padded(width, window_size)), -1)
    position[row, column] = np.arange(windows * pixels).reshape(windows, pixels)
    position = position[:height, :width].reshape(-1, 1)
    window, pixel = position // pixels, position % pixels
    rows = (window * num_heads + np.arange(num_heads)[None]) * pixels + pixel
    return rows.reshape(-1).astype(np.int32)


def window_mask(height: int, width: int, window_size: int, shift: int) -> np.ndarray | None:
    """Return what the pixels of each window must not attend to, as an additive mask.

    Masked are pixels that came together only because the map was rolled, and padding.

    Returns:
        (windows, 1, w^2, w^2) float32 of 0 and -1e4, or None where nothing is masked.
    """
    row, column, region = _window_pixels(height, width, window_size, shift)
    valid = (row < height) & (column < width)
    allowed = (region[:, :, None] == region[:, None, :]) & valid[:, None, :]
    if allowed.all():
        return None
    return np.where(allowed, 0.0, MASKED).astype(np.float32)[:, None]


def mask_of_heads(
    height: int, width: int, window_size: int, shift: int, num_heads: int
) -> np.ndarray | None:
    """Return :func:`window_mask` for every head: (windows * N, w^2, w^2), or None."""
    mask = window_mask(height, width, window_size, shift)
    return None if mask is None else np.repeat(mask[:, 0], num_heads, 0)


def relative_position_index(window_size: int) -> np.ndarray:
    """Return the row of the (2w-1)^2 bias table for each pair of pixels of a window: (w^4,)."""
    coordinates = np.stack(np.meshgrid(*[np.arange(window_size)] * 2, indexing="ij")).reshape(2, -1)
    relative = coordinates[:, :, None] - coordinates[:, None, :] + window_size - 1
    return (relative[0] * (2 * window_size - 1) + relative[1]).reshape(-1).astype(np.int32)

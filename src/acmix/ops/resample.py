"""Maps resampled by one small constant matrix per axis: reflection padding, resizing, pooling.

All are linear and separable. A matrix product exists on every device and in every export format,
which is not so for the padding and resizing operators, and its gradient is again a product.
"""

from __future__ import annotations

import numpy as np
from mindspore import Tensor, ops

from acmix.ops.constants import tensor_constant
from acmix.ops.padding import reflect_index


def reflection_matrix(length: int, border: int) -> np.ndarray:
    """Return the matrix (length + 2 border, length) that pads a line by reflection."""
    index = reflect_index(np.arange(-border, length + border), length)
    return np.eye(length, dtype=np.float32)[index]


def bilinear_matrix(source: int, target: int, step: float) -> np.ndarray:
    """Return the matrix (target, source) that interpolates a line linearly.

    Args:
        source, target: lengths of the lines.
        step: source pixels per target pixel; pixel centres are aligned, and beyond the first and
            last centre the value is constant.
    """
    position = np.clip((np.arange(target) + 0.5) * step - 0.5, 0, source - 1)
    distance = np.abs(position[:, None] - np.arange(source)[None])
    return np.maximum(1 - distance, 0).astype(np.float32)


def upsampling_matrix(source: int, target: int, ratio: int) -> np.ndarray:
    """Return the matrix (target, source) that undoes a reduction by ``ratio`` linearly."""
    return bilinear_matrix(source, target, 1 / ratio)


def nearest_matrix(source: int, target: int) -> np.ndarray:
    """Return the matrix (target, source) that repeats elements: i gets floor(i source / target)."""
    return np.eye(source, dtype=np.float32)[np.arange(target) * source // target]


def pooling_matrix(source: int, target: int) -> np.ndarray:
    """Return the matrix (target, source) of means: i takes floor(i s / t) to ceil((i + 1) s / t).

    The pixels of neighbours overlap where t does not divide s.
    """
    index, pixel = np.arange(target)[:, None], np.arange(source)[None]
    taken = (pixel >= index * source // target) & (pixel < -(-(index + 1) * source // target))
    return (taken / taken.sum(1, keepdims=True)).astype(np.float32)


def box_matrix(length: int, size: int, stride: int, padding: int) -> np.ndarray:
    """Return the matrix (n, length) of means over ``size`` pixels, of a zero-padded line."""
    start = np.arange(0, length + 2 * padding - size + 1, stride)[:, None] - padding
    pixel = np.arange(length)[None]
    return ((pixel >= start) & (pixel < start + size)).astype(np.float32) / size


def repeating_matrix(source: int, target: int, ratio: int) -> np.ndarray:
    """Return the matrix (target, source) that repeats elements: i gets floor(i / ratio)."""
    return np.eye(source, dtype=np.float32)[np.arange(target) // ratio]


_reflection = tensor_constant(reflection_matrix)
_nearest = tensor_constant(nearest_matrix)
_bilinear = tensor_constant(bilinear_matrix)
_pooling = tensor_constant(pooling_matrix)
_upsampling = tensor_constant(upsampling_matrix)
_box = tensor_constant(box_matrix)
_repeating = tensor_constant(repeating_matrix)


def reflect_pad(maps: Tensor, border: int) -> Tensor:
    """Pad (B, C, H, W) by reflection on all sides; exact, every weight being 0 or 1."""
    if border == 0:
        return maps
    _, _, height, width = maps.shape
    return _resample(maps, _reflection(height, border), _reflection(width, border))


def resize(maps: Tensor, height: int, width: int) -> Tensor:
    """Stretch (B, C, H, W) bilinearly to (B, C, height, width), corners at corners of the map."""
    _, _, own_height, own_width = maps.shape
    if (height, width) == (own_height, own_width):
        return maps
    rows = _bilinear(own_height, height, own_height / height)
    return _resample(maps, rows, _bilinear(own_width, width, own_width / width))


def resize_to_rows(maps: Tensor, height: int, width: int) -> Tensor:
    """Do as :func:`resize`, and put the channels last: (B, C, H, W) to (B * height * width, C).

    The one transposition is of the map that is stretched along one axis only.
    """
    _, channels, own_height, own_width = maps.shape
    rows = _bilinear(own_height, height, own_height / height).astype(maps.dtype)
    columns = _bilinear(own_width, width, own_width / width).astype(maps.dtype)
    x = ops.MatMul(transpose_b=True)(maps.reshape((-1, own_width)), columns)
    x = x.reshape((-1, channels, own_height * width)).transpose(0, 2, 1)
    x = ops.matmul(rows, x.reshape((-1, own_height, width * channels)))
    return x.reshape((-1, channels))


def adaptive_average_pool(maps: Tensor, size: int) -> Tensor:
    """Average (B, C, H, W) over size x size regions that cover it: to (B, C, size, size).

    As torch's: a region of a map that is smaller than ``size`` is one pixel or two.
    """
    _, _, height, width = maps.shape
    return _resample(maps, _pooling(height, size), _pooling(width, size))


def nearest(maps: Tensor, height: int, width: int) -> Tensor:
    """Stretch (B, C, H, W) to (B, C, height, width) by repeating pixels; exact."""
    _, _, own_height, own_width = maps.shape
    if (height, width) == (own_height, own_width):
        return maps
    return _resample(maps, _nearest(own_height, height), _nearest(own_width, width))


def repeat(maps: Tensor, ratio: int, height: int, width: int) -> Tensor:
    """Repeat pixels ``ratio`` x ``ratio`` times, and cut to (B, C, height, width); exact."""
    if ratio == 1:
        return maps
    _, _, own_height, own_width = maps.shape
    rows = _repeating(own_height, height, ratio)
    return _resample(maps, rows, _repeating(own_width, width, ratio))


def box_mean(maps: Tensor, size: int, stride: int, padding: int) -> Tensor:
    """Average (B, C, H, W) over size x size boxes, zeros around the map counted."""
    if size == 1 and stride == 1:
        return maps
    _, _, height, width = maps.shape
    rows = _box(height, size, stride, padding)
    return _resample(maps, rows, _box(width, size, stride, padding))


def upsample(maps: Tensor, ratio: int, height: int, width: int) -> Tensor:
    """Undo a reduction by ``ratio``: (B, C, H, W) bilinearly to (B, C, height, width).

    A pixel is put in the centre of the ``ratio`` x ``ratio`` pixels that it stands for. Where the
    reduction dropped an incomplete rest, the last pixel is continued.
    """
    if ratio == 1:
        return maps
    _, _, own_height, own_width = maps.shape
    rows = _upsampling(own_height, height, ratio)
    return _resample(maps, rows, _upsampling(own_width, width, ratio))


def _resample(maps: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Multiply every map (H, W) by ``rows`` (H', H) and the transpose of ``columns`` (W', W)."""
    _, channels, height, width = maps.shape
    columns = columns.astype(maps.dtype)
    x = ops.MatMul(transpose_b=True)(maps.reshape((-1, width)), columns)
    x = ops.matmul(rows.astype(maps.dtype), x.reshape((-1, height, columns.shape[0])))
    return x.reshape((-1, channels, rows.shape[0], columns.shape[0]))

"""Geometry of axis-aligned boxes (x1, y1, x2, y2) in pixels, always in float32.

Half precision would not do: it counts pixels singly only up to 2048, and areas only up to 65504.
A box whose corners are in the wrong order is empty.
"""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import Tensor, ops

from acmix.ops.constants import tensor_constant

_SMALLEST_AREA = 1e-12  # square pixels; keeps the IoU of two empty boxes at 0 instead of 0 / 0


def box_area(boxes: Tensor) -> Tensor:
    """Return the areas in square pixels: (..., N, 4) to (..., N)."""
    x1, y1, x2, y2 = ops.split(boxes.astype(ms.float32), 1, -1)
    return (_length(x1, x2) * _length(y1, y2)).reshape(boxes.shape[:-1])


def box_iou(a: Tensor, b: Tensor) -> Tensor:
    """Return intersection over union of all pairs, 0 where the union is empty.

    Shape:
        a: (..., N, 4), b: (..., M, 4), the leading axes broadcast. Output: (..., N, M).
    """
    ax1, ay1, ax2, ay2 = ops.split(a.astype(ms.float32), 1, -1)
    bx1, by1, bx2, by2 = ops.split(b.astype(ms.float32).swapaxes(-1, -2), 1, -2)
    intersection = _overlap(ax1, ax2, bx1, bx2) * _overlap(ay1, ay2, by1, by2)
    areas = _length(ax1, ax2) * _length(ay1, ay2) + _length(bx1, bx2) * _length(by1, by2)
    return intersection / ops.maximum(areas - intersection, _SMALLEST_AREA)


def clip_boxes(boxes: Tensor, height: int, width: int) -> Tensor:
    """Move the corners of (..., 4) that lie outside of the image to its border."""
    return ops.minimum(ops.relu(boxes.astype(ms.float32)), _far_corner(height, width))


def clip_to_sizes(boxes: Tensor, sizes: Tensor) -> Tensor:
    """Move the corners of boxes (B, N, 4) to the border of each image's own size.

    Args:
        boxes: (B, N, 4).
        sizes: (B, 2) height and width in pixels, without padding.
    """
    sizes = sizes.astype(ms.float32)
    width, height = sizes[:, 1:], sizes[:, :1]
    far = ops.cat((width, height, width, height), 1)
    return ops.minimum(ops.relu(boxes.astype(ms.float32)), far.expand_dims(1))


def _overlap(a1: Tensor, a2: Tensor, b1: Tensor, b2: Tensor) -> Tensor:
    """Return the common length of all pairs of segments, (..., N, 1) and (..., 1, M)."""
    # Adding zeros broadcasts first: minimum and maximum do it many times slower on CPU.
    to_a, to_b = ops.zeros_like(a1), ops.zeros_like(b1)
    return _length(ops.maximum(a1 + to_b, b1 + to_a), ops.minimum(a2 + to_b, b2 + to_a))


def _length(start: Tensor, end: Tensor) -> Tensor:
    return ops.relu(end - start)


@tensor_constant
def _far_corner(height: int, width: int) -> np.ndarray:
    return np.array([width, height, width, height], np.float32)

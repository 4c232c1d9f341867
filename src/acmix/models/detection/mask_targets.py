"""Targets of a mask head: the part of an object's mask that lies in a proposal, S x S.

As in mmdetection: RoIAlign of the mask of 0 and 1, aligned, with ceil(bin) samples per bin and
axis, and 1 from a mean of 0.5 on. RoIAlign is separable, out = A_y F A_x^T: a row of A holds how
much each pixel of that axis counts in one bin. The matrices here are sums, not means, so that a
share of exactly one half stays exact: the number of samples divides at the end. On the host
:func:`acmix.data.mask_crops.align_mask` computes the same.
"""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import Tensor, ops

from acmix.config.detection import CROP_MARGIN, CROP_MAXIMUM
from acmix.ops.constants import tensor_constant
from acmix.ops.linear import take_rows

# Pixel j takes part in samples within j - 1 .. j + 1, which are more than half a pixel apart where
# a bin has several: at most 4, and one more as the first is rounded down.
_SAMPLES_PER_PIXEL = 5
_LEAST_STEP = 1e-6  # pixels; a divisor where a bin is narrower, and has one sample


def crop_targets(
    crops: Tensor, boxes: Tensor, index: Tensor, proposals: Tensor, size: int
) -> Tensor:
    """Return the targets of proposals whose objects' masks are given as crops.

    Args:
        crops: (B, M, S, S) uint8, the mask of each object in its box with ``CROP_MARGIN`` pixels
            around it, 0 to ``CROP_MAXIMUM``.
        boxes: (B, M, 4) of the objects, without the margin.
        index: (B, R) int32, the object of each proposal.
        proposals: (B, R, 4), cut at the image; no gradient.
        size: of the targets.

    Returns:
        (B, R, size, size) float32 of 0 and 1.
    """
    batch, objects, side, _ = crops.shape
    count = index.shape[1]
    flat = crops.astype(ms.float32).reshape((batch, objects, side * side)) / CROP_MAXIMUM
    masks = take_rows(flat, index).reshape((batch * count, side, side))
    x1, y1, x2, y2 = ops.split(take_rows(boxes, index), 1, 2)
    corner = ops.cat((x1, y1), 2) - CROP_MARGIN
    pixel = (ops.cat((x2, y2), 2) + CROP_MARGIN - corner) / side
    near, far = ops.split(ops.stop_gradient(proposals), 2, 2)
    inside = ops.cat(((near - corner) / pixel, (far - corner) / pixel), 2)
    targets = mask_targets(masks, inside.reshape((batch * count, 4)), size)
    return targets.reshape((batch, count, size, size))


def mask_targets(masks: Tensor, boxes: Tensor, size: int = 28) -> Tensor:
    """Return the targets of proposals in static shapes, on the device.

    Args:
        masks: (N, H, W) of 0 and 1, any type, the mask of each proposal.
        boxes: (N, 4) proposals in pixels of the masks, cut at the image; no gradient.
        size: S.

    Returns:
        (N, S, S) float32 of 0 and 1.
    """
    _, height, width = masks.shape
    x1, y1, x2, y2 = ops.split(boxes.astype(ms.float32), 1, 1)
    rows, row_samples = _sums(y1, y2, height, size)
    columns, column_samples = _sums(x1, x2, width, size)
    part = ops.BatchMatMul()(rows, masks.astype(ms.float32))
    sums = ops.BatchMatMul(transpose_b=True)(part, columns)
    samples = ops.maximum(row_samples * column_samples, 1).expand_dims(2)
    return (2 * sums >= samples).astype(ms.float32)


def _sums(start: Tensor, end: Tensor, length: int, size: int) -> tuple[Tensor, Tensor]:
    """Return the matrices (N, S, length) of one axis, and the samples per bin (N, 1)."""
    bin_size = (end - start) / size
    samples = ops.ceil(ops.relu(bin_size))
    step = (bin_size / ops.maximum(samples, 1)).expand_dims(2)
    first = (start + _numbers(size) * bin_size).expand_dims(2) + 0.5 * step - 0.5
    pixel = _numbers(length)
    nearest = ops.floor((pixel - 1 - first) / ops.maximum(step, _LEAST_STEP))
    shares = ops.zeros_like(nearest)
    for offset in range(_SAMPLES_PER_PIXEL):
        number = ops.relu(nearest) + offset
        place = first + number * step
        share = ops.relu(1 - ops.abs(ops.clip_by_value(place, 0.0, length - 1.0) - pixel))
        outside = ops.logical_or(place < -1, place > length)
        missing = ops.logical_or(number >= samples.expand_dims(2), outside)
        shares = shares + ops.select(missing, ops.zeros_like(share), share)
    return shares, samples


@tensor_constant
def _numbers(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.float32)

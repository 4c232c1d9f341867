"""Masks of objects as small squares, and the targets of mask heads."""

from __future__ import annotations

import numpy as np

from acmix.config.detection import CROP_MARGIN, CROP_MAXIMUM
from acmix.data.instance_masks import InstanceMasks, PixelMap


def crop_masks(masks: InstanceMasks, pixels: PixelMap, boxes: np.ndarray, size: int) -> np.ndarray:
    """Return the part of each mask in its box, enlarged by ``CROP_MARGIN``, at ``size`` x ``size``.

    A batch of these takes megabytes where whole masks take gigabytes, whatever the number of
    objects: one mask at a time is decoded, and of its changed form only what is in the box is made.

    Args:
        masks: of n objects in the original image.
        pixels: how the image was changed.
        boxes: (n, 4) xyxy in pixels of the changed image.
        size: S in pixels.

    Returns:
        (n, S, S) uint8: ``CROP_MAXIMUM`` times :func:`align_mask`.
    """
    crops = np.zeros((len(masks), size, size), np.uint8)
    around = np.asarray(boxes, np.float64) + CROP_MARGIN * np.array([-1, -1, 1, 1])
    for crop, mask, box in zip(crops, masks, around, strict=True):
        crop[:] = np.rint(align_mask(mask, pixels, box, size) * CROP_MAXIMUM)
    return crops


def align_mask(mask: np.ndarray, pixels: PixelMap, box: np.ndarray, size: int) -> np.ndarray:
    """Return RoIAlign of a changed mask: its part in a box, resized to (size, size) float32.

    This is the aligned form with as many samples as a bin has pixels. Where it is at least 0.5,
    mmdetection's target of a mask head is 1. Zeros for a box without area.

    Args:
        mask: (H, W) of the original image, any real type.
        pixels: how the image was changed.
        box: (4,) xyxy in pixels of the changed image.
        size: of the result in pixels.
    """
    x1, y1, x2, y2 = np.asarray(box, np.float64).tolist()
    height, width = pixels.size
    down, rows = _samples(y1, y2, size, height)
    across, columns = _samples(x1, x2, size, width)
    part = PixelMap(pixels.rows[rows], pixels.columns[columns])(mask)
    result: np.ndarray = down @ part.astype(np.float32) @ across.T
    return result


def _samples(start: float, end: float, bins: int, length: int) -> tuple[np.ndarray, slice]:
    """Return the weights (bins, n) of n pixels along one axis, and where these pixels are.

    Samples are the mean of a bin's points, each interpolated linearly between the two nearest
    pixels' centres. Points more than half a pixel outside of the image count as zeros.
    """
    bin_size = (end - start) / bins
    count = max(int(np.ceil(bin_size)), 1)
    steps = (np.arange(bins)[:, None] + (np.arange(count) + 0.5) / count) * bin_size
    points = start - 0.5 + steps
    inside = (points >= -1) & (points <= length) & (bin_size > 0)
    points = np.clip(points, 0, length - 1)
    low = np.floor(points).astype(np.int64)
    high = np.minimum(low + 1, length - 1)
    first, last = int(low.min()), int(high.max()) + 1
    weights = np.zeros((bins, last - first), np.float64)
    row = np.broadcast_to(np.arange(bins)[:, None], low.shape)
    np.add.at(weights, (row, low - first), (1 - (points - low)) * inside)
    np.add.at(weights, (row, high - first), (points - low) * inside)
    return (weights / count).astype(np.float32), slice(first, last)

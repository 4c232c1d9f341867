"""Masks of detections at the size of the original image, in NumPy on the host."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

THRESHOLD = 0.5
"""Minimum probability of a pixel of a mask."""


def paste_masks(
    probabilities: np.ndarray, boxes: np.ndarray, height: int, width: int
) -> Iterator[np.ndarray]:
    """Yield the bitmap (height, width) uint8 of each detection, one at a time.

    One bitmap exists at once: 100 of an image of 4000 x 6000 pixels would take 2.4 GB.

    Args:
        probabilities: (D, S, S) of each pixel of the boxes, 0..1.
        boxes: (D, 4) xyxy in pixels of this image; they may reach beyond its borders.
        height, width: of the image.
    """
    for mask, box in zip(probabilities, boxes, strict=True):
        yield paste_mask(mask, box, height, width)


def paste_mask(probabilities: np.ndarray, box: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return the bitmap (height, width) uint8 of one detection, column-major as RLE takes it.

    The centre of a pixel is looked up bilinearly among the centres of the mask's pixels, with zeros
    around the mask, so it fades over half a mask pixel at its border (detectron2, mmdetection).
    Boxes without area give an empty mask.

    Args:
        probabilities: (S, S) of each pixel of the box, 0..1.
        box: (4,) xyxy in pixels of the image.
        height, width: of the image.
    """
    bitmap = np.zeros((height, width), np.uint8, order="F")
    x1, y1, x2, y2 = box.astype(np.float64).tolist()
    if not (x2 > x1 and y2 > y1):
        return bitmap
    rows, down = _interpolation(y1, y2, probabilities.shape[0], height)
    columns, across = _interpolation(x1, x2, probabilities.shape[1], width)
    # The transposed product has the memory layout of the bitmap.
    window = across @ (down @ probabilities.astype(np.float32)).T
    bitmap[rows, columns] = (window >= THRESHOLD).T
    return bitmap


def _interpolation(start: float, end: float, size: int, length: int) -> tuple[slice, np.ndarray]:
    """Return where a side of a box lies in the image, and what its mask adds to these pixels.

    Interpolation along x and along y are independent, so two small matrices do both.

    Args:
        start, end: of the box.
        size: S, of the mask.
        length: of the image.

    Returns:
        The n pixels that the mask reaches, and the weights (n, S) float32 of the mask's pixels.
    """
    margin = (end - start) / size / 2
    first, last = np.clip([start - margin, end + margin], 0, length)
    pixels = slice(int(np.floor(first)), int(np.ceil(last)))
    centres = np.arange(pixels.start, pixels.stop) + 0.5
    place = (centres - start) / (end - start) * size - 0.5
    weights = np.maximum(0, 1 - np.abs(place[:, None] - np.arange(size)))
    return pixels, weights.astype(np.float32)

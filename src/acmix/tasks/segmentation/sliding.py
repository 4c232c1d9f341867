"""Run a segmenter on an image by overlapping windows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from acmix.errors import check
from acmix.tasks.segmentation.label_map import Shape, resize

Run = Callable[[np.ndarray], np.ndarray]
"""Function from images (1, C, H, W) to logits (1, K, h, w) of any resolution."""


def slide(run: Run, images: np.ndarray, window: Shape, stride: Shape) -> np.ndarray:
    """Return the mean logits of overlapping windows: (1, K, H, W) for images (1, C, H, W).

    Windows at the far borders are moved inwards, so that all have one size; where the image is
    shorter than a window, they have the length of the image. Logits are resized to their window
    and averaged by how many windows saw a pixel (mmseg's ``slide_inference``).

    Raises:
        UserError: a stride is larger than the window, so that pixels would be left out.
    """
    check(
        stride[0] <= window[0] and stride[1] <= window[1],
        f"stride {stride} must not exceed the window {window}: pixels between would have no class.",
    )
    _, _, height, width = images.shape
    places = [
        np.s_[..., top:bottom, left:right]
        for top, bottom in _spans(height, window[0], stride[0])
        for left, right in _spans(width, window[1], stride[1])
    ]
    total = seen = np.zeros((height, width), np.float32)
    for number, place in enumerate(places):
        part = images[place]
        logits = resize(run(part)[0], (part.shape[-2], part.shape[-1]))
        if number == 0:
            total, seen = np.zeros((len(logits), height, width), np.float32), seen.copy()
        total[place] += logits
        seen[place] += 1
    total /= seen
    return total[None]


def _spans(length: int, window: int, stride: int) -> list[tuple[int, int]]:
    """Return first and last position of each window along one axis."""
    count = max(length - window + stride - 1, 0) // stride + 1
    ends = [min(number * stride + window, length) for number in range(count)]
    return [(max(end - window, 0), end) for end in ends]

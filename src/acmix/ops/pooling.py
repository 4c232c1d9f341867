"""Average pooling that keeps incomplete patches, in operators every back end exports."""

from __future__ import annotations

import numpy as np
from mindspore import Tensor, ops

from acmix.ops.constants import tensor_constant
from acmix.ops.padding import zero_pad


@tensor_constant
def _correction(height: int, width: int, size: int) -> np.ndarray:
    """Return size^2 over the number of pixels in each patch, (1, 1, H', W')."""
    rows, columns = (
        np.minimum(length - np.arange(0, length, size), size) for length in (height, width)
    )
    return (size**2 / np.outer(rows, columns)).astype(np.float32)[None, None]


def average_pool(maps: Tensor, size: int) -> Tensor:
    """Average over size x size patches: (B, C, H, W) to (B, C, ceil(H / size), ceil(W / size)).

    A patch that the border cuts is averaged over the pixels it has.
    """
    if size == 1:
        return maps
    _, _, height, width = maps.shape
    bottom, right = (-height) % size, (-width) % size
    pooled = ops.AvgPool(size, size, pad_mode="valid")(zero_pad(maps, 0, bottom, 0, right))
    if bottom == 0 and right == 0:
        return pooled
    return pooled * _correction(height, width, size).astype(maps.dtype)


def halve(maps: Tensor) -> Tensor:
    """Average 3x3 pixels around every second one: (B, C, H, W) to (B, C, ceil(H / 2), ceil(W / 2)).

    Zeros around the map take part, as in AvgPool of stride 2 and padding 1.
    """
    return ops.AvgPool(3, 2, pad_mode="valid")(zero_pad(maps, 1, 1, 1, 1))

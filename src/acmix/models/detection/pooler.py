"""Features of boxes, cut from the pyramid level that suits the size of each."""

from __future__ import annotations

from collections.abc import Sequence

import mindspore as ms
import numpy as np
from mindspore import Tensor, ops

from acmix.errors import check
from acmix.layers.full_precision import FullPrecision
from acmix.ops.boxes import box_area
from acmix.ops.constants import constant, tensor_constant
from acmix.ops.linear import take_rows

_CANONICAL_SIDE = 224  # pixels: a box of ImageNet's size belongs to ...
_CANONICAL_STRIDE = 16  # ... the level where a network for ImageNet has its C4

# Numbers; 256 MiB of float32. More boxes are pooled in several calls, which bounds memory.
_LARGEST_COPY = 2**26


class MultiLevelPooler(FullPrecision):
    """RoIAlign (He et al., "Mask R-CNN", ICCV 2017) on the levels of a feature pyramid.

    A box goes to level floor(4 + log2(sqrt(area) / 224)) (Lin et al., "Feature Pyramid Networks",
    CVPR 2017, Eq. 1), level k being the one of stride 2^k, or to the nearest there is. It is cut
    into P x P bins, and a bin is the mean of ``sampling_ratio`` x ``sampling_ratio`` bilinear
    samples. Pixel centres are at half coordinates ("aligned"); a sample more than one pixel outside
    of the map is zero.

    The pixels that the samples lie between are rows of one matrix of all levels. They are taken
    once, and two products with matrices of shares, along y and along x, make bins of them. That
    costs nothing for the levels that a box does not belong to, and on CPU is faster than
    MindSpore's ``ROIAlign`` for its own level alone (``acmix bench formulations``).

    Args:
        output_size: P.
        strides: image pixels per map pixel of each map, from fine to coarse.
        sampling_ratio: samples per bin and axis.

    Shape:
        maps: tuple of (B, C, H_i, W_i), one per stride. boxes: (B, R, 4) in image pixels; no
        gradient. Output: (B, R, C, P, P) in the type of the maps.

    Raises:
        UserError: an argument is not positive, or the strides do not grow.
    """

    def __init__(self, output_size: int, strides: Sequence[int], sampling_ratio: int = 2):
        super().__init__()
        check(output_size >= 1, f"output_size must be at least 1, got {output_size}.")
        check(sampling_ratio >= 1, f"sampling_ratio must be at least 1, got {sampling_ratio}.")
        check(
            len(strides) > 0 and list(strides) == sorted({s for s in strides if s > 0}),
            f"strides must be positive and grow from map to map, got {strides}.",
        )
        self.output_size = output_size
        self.strides = tuple(strides)
        self.sampling_ratio = sampling_ratio

    def construct(self, maps: tuple[Tensor, ...], boxes: Tensor) -> Tensor:
        """Pool every box from its level; see the class."""
        count, channels = boxes.shape[1], maps[0].shape[1]
        boxes = ops.stop_gradient(boxes).astype(ms.float32)
        levels = _levels(self.strides, tuple([one.shape[2:] for one in maps]))
        pixels = _joined(maps)
        copies = boxes.shape[0] * channels * (2 * self.sampling_ratio * self.output_size) ** 2
        step = max(1, _LARGEST_COPY // copies)
        pooled: tuple = ()
        for first in range(0, count, step):
            some = boxes[:, first : first + step] if step < count else boxes
            pooled += (self._pool(pixels, levels, some),)
        joined = ops.cat(pooled, 1) if len(pooled) > 1 else pooled[0]
        return joined.astype(maps[0].dtype)  # under O2 the arithmetic of this Cell is float32

    def _pool(self, pixels: Tensor, levels: Tensor, boxes: Tensor) -> Tensor:
        """Return the bins (B, R, C, P, P) of boxes (B, R, 4)."""
        batch, count, _ = boxes.shape
        channels, size, n = pixels.shape[2], self.output_size, 2 * self.sampling_ratio
        boxes = boxes.reshape((-1, 4))
        own = take_rows(levels.expand_dims(0), self._level(boxes)).squeeze(0)
        scale, height, width, start = ops.split(own, 1, 1)
        x1, y1, x2, y2 = ops.split(boxes * scale - 0.5, 1, 1)
        rows, row_shares = self._pixels(y1, y2, height)
        columns, column_shares = self._pixels(x1, x2, width)
        index = (start + rows * width).expand_dims(2) + columns.expand_dims(1)

        pixels = take_rows(pixels, index.astype(ms.int32).reshape((batch, -1)))
        # Of each box: P bins, each of n rows of P bins of n pixels.
        pixels = pixels.reshape((-1, n, size * n * channels))
        lines = ops.BatchMatMul()(row_shares.reshape((-1, 1, n)).astype(pixels.dtype), pixels)
        # A row of shares is the same for the P rows of bins.
        column_shares = ops.tile(column_shares.expand_dims(1), (1, size, 1))
        column_shares = column_shares.reshape((-1, 1, n)).astype(pixels.dtype)
        bins = ops.BatchMatMul()(column_shares, lines.reshape((-1, n, channels)))
        bins = bins.reshape((batch * count, size * size, channels)).transpose(0, 2, 1)
        return bins.reshape((batch, count, channels, size, size))

    def _level(self, boxes: Tensor) -> Tensor:
        """Return the number of the level of each box: (N, 4) to (N,) int32."""
        area = box_area(boxes)
        level = ops.zeros_like(area)
        for stride in self.strides[1:]:
            # Not `level +=`: InplaceAddExt has no adapter to Ascend's graph engine.
            level = level + (area >= _smallest_area(stride)).astype(ms.float32)
        return level.astype(ms.int32)

    def _pixels(self, start: Tensor, end: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """Return the pixels around the samples of an axis, and how much each counts in its bin.

        Args:
            start, end: (N, 1) of the boxes, in pixels of their maps.
            length: (N, 1) of the axis of their maps.

        Returns:
            Both (N, P * n) float32, n = 2 * sampling_ratio of each bin, a sample's two side by
            side.
        """
        samples = self.output_size * self.sampling_ratio
        place = start + _centres(samples) * ((end - start) / samples)
        outside = ops.logical_or(place < -1, place > length)
        share = ops.select(outside, 0.0, 1 / self.sampling_ratio)
        place = ops.minimum(ops.relu(place), length - 1)
        near = ops.floor(place)
        far_share = (place - near) * share
        pixels = _side_by_side(near, ops.minimum(near + 1, length - 1))
        return pixels, _side_by_side(share - far_share, far_share)


def _joined(maps: tuple[Tensor, ...]) -> Tensor:
    """Return the pixels of all maps, level, y, x: (B, sum of H_i W_i, C)."""
    flat: tuple = ()
    for level in maps:
        flat += (level.reshape((*level.shape[:2], -1)).transpose(0, 2, 1),)
    return ops.cat(flat, 1)


def _side_by_side(a: Tensor, b: Tensor) -> Tensor:
    """Return a1, b1, a2, b2, ... of each row: (N, M) twice to (N, 2 * M)."""
    both = ops.cat((a.expand_dims(2), b.expand_dims(2)), 2)
    return both.reshape((both.shape[0], -1))


@constant
def _smallest_area(stride: int) -> float:
    """Return the area from which on a box belongs to the level of this stride or a coarser one."""
    return (_CANONICAL_SIDE * stride / _CANONICAL_STRIDE) ** 2


@tensor_constant
def _levels(strides: tuple[int, ...], sizes: tuple[tuple[int, int], ...]) -> np.ndarray:
    """Return for each level 1 / stride, height, width, and its first row in :func:`_joined`."""
    areas = [height * width for height, width in sizes]
    rows = [
        (1 / stride, *size, sum(areas[:level]))
        for level, (stride, size) in enumerate(zip(strides, sizes, strict=True))
    ]
    return np.array(rows, np.float32)


@tensor_constant
def _centres(count: int) -> np.ndarray:
    return (np.arange(count, dtype=np.float32) + 0.5)[None]

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

_CANONICAL_SIDE = 224  # pixels: a box of ImageNet's size belongs to ...
_CANONICAL_STRIDE = 16  # ... the level where a network for ImageNet has its C4

# The operator's box ends 1 image pixel after x2, y2. Mode 0 does not, but widens boxes that are
# smaller than a pixel of the map, and its gradient is computed as in mode 1 (seen on CPU).
_END_MODE = 1
_OUTSIDE = -16.0  # map pixels; samples are zero from -1 on


class MultiLevelPooler(FullPrecision):
    """RoIAlign (He et al., "Mask R-CNN", ICCV 2017) on the levels of a feature pyramid.

    A box goes to level floor(4 + log2(sqrt(area) / 224)) (Lin et al., "Feature Pyramid Networks",
    CVPR 2017, Eq. 1), level k being the one of stride 2^k, or to the nearest there is. It is cut
    into P x P bins, and a bin is the mean of ``sampling_ratio`` x ``sampling_ratio`` bilinear
    samples. Pixel centres are at half coordinates ("aligned"); a sample more than one pixel outside
    of the map is zero.

    Args:
        output_size: P.
        strides: image pixels per map pixel of each map, from fine to coarse.
        sampling_ratio: samples per bin and axis.

    Shape:
        maps: tuple of (B, C, H_i, W_i), one per stride. boxes: (B, R, 4) in image pixels.
        Output: (B, R, C, P, P) in the type of the maps.

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
        """Pool every box from every level, which keeps shapes static, and choose."""
        batch, count, _ = boxes.shape
        boxes = boxes.astype(ms.float32).reshape((-1, 4))
        image = _image_index(batch, count)
        area = box_area(boxes).reshape((-1, 1))
        level = ops.zeros_like(area)
        for stride in self.strides[1:]:
            # Not `level +=`: InplaceAddExt has no adapter to Ascend's graph engine.
            level = level + (area >= _smallest_area(stride)).astype(ms.float32)
        pooled = self._align(maps[0], image, boxes, level == 0, self.strides[0])
        for number in range(1, len(self.strides)):
            here = level == number
            aligned = self._align(maps[number], image, boxes, here, self.strides[number])
            pooled = ops.select(here.reshape((-1, 1, 1, 1)), aligned, pooled)
        return pooled.reshape((batch, count, *pooled.shape[1:])).astype(maps[0].dtype)

    def _align(
        self, maps: Tensor, image: Tensor, boxes: Tensor, here: Tensor, stride: int
    ) -> Tensor:
        """Pool the boxes (B * R, 4) that are ``here`` from one level: (B * R, C, P, P)."""
        # The others go to where there is no map, and cost next to nothing.
        boxes = ops.select(here, boxes - _half_pixel(stride), _OUTSIDE * stride)
        align = ops.ROIAlign(
            self.output_size, self.output_size, 1 / stride, self.sampling_ratio, _END_MODE
        )
        return align(maps.astype(ms.float32), ops.cat((image, boxes), 1))


@constant
def _smallest_area(stride: int) -> float:
    """Return the area from which on a box belongs to the level of this stride or a coarser one."""
    return (_CANONICAL_SIDE * stride / _CANONICAL_STRIDE) ** 2


@tensor_constant
def _image_index(batch: int, count: int) -> np.ndarray:
    return np.repeat(np.arange(batch, dtype=np.float32), count)[:, None]


@tensor_constant
def _half_pixel(stride: int) -> np.ndarray:
    """Return the offsets that align the operator's boxes: half a map pixel, and its end pixel."""
    return np.array([stride / 2] * 2 + [stride / 2 + _END_MODE] * 2, np.float32)

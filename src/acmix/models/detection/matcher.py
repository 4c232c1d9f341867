"""Which ground-truth box each anchor is responsible for."""

from __future__ import annotations

from dataclasses import dataclass

import mindspore as ms
import numpy as np
from mindspore import Tensor, ops

from acmix.errors import check
from acmix.ops.constants import tensor_constant

BACKGROUND = -1
IGNORED = -2


@ms.jit_class
@dataclass(frozen=True)
class Matcher:
    """Match anchors to boxes by IoU (Ren et al., NeurIPS 2015, Sec. 3.1.2).

    Args:
        positive: an anchor with at least this IoU is matched to the box it overlaps most (the
            first one of equals).
        negative: an anchor whose IoU with every box is below this is background; between the two
            it is ignored.
        allow_low_quality: match also the anchors that overlap a box as much as any anchor does,
            so that every box that meets an anchor has one. Unlike in detectron2, an IoU of 0 is no
            overlap: a box that meets no anchor does not turn all the others positive.
        boxes_claim: whether such an anchor is matched to that box, of several to the last one, as
            in mmdetection; False: to the box that it itself overlaps most, as in detectron2 and
            torchvision.
        low_quality: least IoU of such an anchor, the ``min_pos_iou`` of mmdetection.

    Raises:
        UserError: not 0 <= negative <= positive <= 1, or ``low_quality`` outside of [0, 1].
    """

    positive: float = 0.5
    negative: float = 0.4
    allow_low_quality: bool = True
    boxes_claim: bool = False
    low_quality: float = 0.0

    def __post_init__(self) -> None:
        check(
            0 <= self.negative <= self.positive <= 1,
            "thresholds of IoU must satisfy 0 <= negative <= positive <= 1, got "
            f"negative={self.negative}, positive={self.positive}.",
        )
        check(
            0 <= self.low_quality <= 1,
            f"low_quality must be between 0 and 1, got {self.low_quality}.",
        )

    def __call__(self, iou: Tensor, valid: Tensor) -> Tensor:
        """Match every anchor of every image.

        Args:
            iou: (B, A, M).
            valid: (B, M) bool, False where the box is padding.

        Returns:
            (B, A) int32: the number of the box, ``BACKGROUND`` or ``IGNORED``.
        """
        valid = valid.astype(ms.float32).reshape((-1, 1, iou.shape[2]))
        iou = iou * valid + (valid - 1)  # -1 for padding, which is below every threshold
        box, overlap = ops.ArgMaxWithValue(axis=2)(iou)
        positive = overlap >= self.positive
        if self.allow_low_quality:
            best = ops.ReduceMax(keep_dims=True)(iou, 1)
            good = ops.logical_and(best > 0, best >= self.low_quality)
            is_best = iou - ops.select(good, best, 2.0) >= 0  # 2 is out of reach
            if self.boxes_claim:
                claims = is_best.astype(ms.float32) * _from_one(iou.shape[2])
                last = ops.ReduceMax()(claims, 2).astype(ms.int32)
                box = ops.select(last > 0, last - 1, box.astype(ms.int32))
                positive = ops.logical_or(positive, last > 0)
            else:
                is_best = ops.ReduceMax()(is_best.astype(ms.float32), 2) > 0
                positive = ops.logical_or(positive, is_best)
        background = ops.logical_and(overlap < self.negative, ops.logical_not(positive))
        unmatched = ops.select(background, BACKGROUND, IGNORED)
        # Cast last: selecting between two plain numbers gives int64 in PyNative mode.
        return ops.select(positive, box, unmatched).astype(ms.int32)


@tensor_constant
def _from_one(count: int) -> np.ndarray:
    return np.arange(1, count + 1, dtype=np.float32)

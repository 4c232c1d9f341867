"""From scores and offsets of all anchors to detections, inside of a graph and on the host.

Both forms take the same steps and agree: the best ``top_k`` pairs of anchor and class of each
level, the best ``max_candidates`` of these, decoded, then class-wise non-maximum suppression. The
graph form has static shapes and is what is exported; :mod:`.host` is NumPy. Only the order of equal
logits is the device's own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import mindspore as ms
import numpy as np
from mindspore import Tensor, ops

from acmix.errors import check
from acmix.models.detection.coder import BoxCoder
from acmix.ops.boxes import clip_boxes
from acmix.ops.constants import constant, tensor_constant
from acmix.ops.linear import take_elements, take_rows
from acmix.ops.ranking import largest

MOST_BOXES = 2864
"""Largest number of boxes that ``ops.NMSWithMask`` takes on Ascend."""

NONE = -1
"""Label of a place without a detection."""


@ms.jit_class
@dataclass(frozen=True)
class PostProcess:
    """How detections are chosen; mmdetection's numbers for RetinaNet.

    Args:
        score_threshold: detections must have a higher score.
        top_k: pairs of anchor and class looked at, per level.
        max_candidates: boxes that enter non-maximum suppression, of all levels together.
        nms_threshold: a box is suppressed by a better one of its class with a higher IoU.
        max_detections: D, detections of an image.

    Raises:
        UserError: a threshold outside of [0, 1], a count below 1, or more candidates than
            ``ops.NMSWithMask`` takes.
    """

    score_threshold: float = 0.05
    top_k: int = 1000
    max_candidates: int = 2000
    nms_threshold: float = 0.5
    max_detections: int = 100

    def __post_init__(self) -> None:
        for name in ("score_threshold", "nms_threshold"):
            value = getattr(self, name)
            check(0 <= value <= 1, f"{name} must be between 0 and 1, got {value}.")
        for name in ("top_k", "max_candidates", "max_detections"):
            value = getattr(self, name)
            check(value >= 1, f"{name} must be at least 1, got {value}.")
        check(
            self.max_candidates <= MOST_BOXES,
            f"max_candidates must be at most {MOST_BOXES}, which is what NMSWithMask takes on "
            f"Ascend, got {self.max_candidates}.",
        )

    def candidates(
        self,
        logits: Tensor,
        deltas: Tensor,
        anchors: Tensor,
        level_counts: tuple[int, ...],
        coder: BoxCoder,
        height: int,
        width: int,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Choose and decode the best pairs of anchor and class, without a threshold.

        Args:
            logits: (B, A, K).
            deltas: (B, A, 4).
            anchors: (A, 4).
            level_counts: anchors of each level, A together.
            coder: of the deltas.
            height, width: of the images in pixels; boxes are cut at their borders.

        Returns:
            Boxes (B, N, 4), scores (B, N) and labels (B, N) int32, best first; N is
            ``max_candidates`` or as many as there are.
        """
        best: tuple = ()
        start = 0
        for level in ops.split(logits.astype(ms.float32), level_counts, 1):
            value, row, label = best_pairs(level, self.top_k)
            best += ((value, row + start, label),)
            start += level.shape[1]
        values, rows, labels = [ops.cat([pairs[i] for pairs in best], 1) for i in range(3)]
        count = min(self.max_candidates, values.shape[1])
        values, order = largest(values, count)
        rows, labels = take_elements(rows, order), take_elements(labels, order)
        anchors = take_rows(anchors.reshape((1, -1, 4)), rows.reshape((-1,)))
        boxes = coder.decode(take_rows(deltas, rows), anchors.reshape((-1, count, 4)))
        return clip_boxes(boxes, height, width), ops.sigmoid(values), labels

    def detections(
        self,
        boxes: Tensor,
        scores: Tensor,
        labels: Tensor,
        num_classes: int,
        height: int,
        width: int,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Suppress, and keep the best: candidates as above, B static, to detections.

        Returns:
            Boxes (B, D, 4), scores (B, D) and labels (B, D) int32, best first; box and score are 0
            and the label is -1 where there is no detection.
        """
        kept = suppress(boxes, labels, num_classes, max(height, width), self.nms_threshold)
        kept = ops.logical_and(kept, scores > self.score_threshold)
        count = boxes.shape[1]
        # Places count down, so that the largest kept ones are the best, and none are equal.
        places = _falling(count).reshape((1, -1)) * kept.astype(ms.float32)
        if count < self.max_detections:
            places = ops.cat((places, ops.zeros((places.shape[0], self.max_detections - count))), 1)
        places, _ = largest(places, self.max_detections)
        found = places > 0
        order = (count - ops.maximum(places, 1)).astype(ms.int32)
        boxes = take_rows(boxes, order) * found.astype(ms.float32).expand_dims(2)
        scores = take_elements(scores, order) * found.astype(ms.float32)
        return boxes, scores, ops.select(found, take_elements(labels, order), NONE)


def best_pairs(values: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return values, rows and columns (B, n) of the ``count`` largest of (B, A, K), best first.

    They are in the rows with the ``count`` largest maxima, hence no sorting of A K numbers. Where
    there are fewer, n is A K.
    """
    rows, columns = values.shape[1], values.shape[2]
    kept = min(count, rows)
    index = largest(ops.ReduceMax()(values, 2), kept)[1]
    pairs = take_rows(values, index).reshape((-1, kept * columns))
    best, place = largest(pairs, min(count, kept * columns))
    row = place // columns
    return best, take_elements(index, row), place - row * columns


def suppress(
    boxes: Tensor, groups: Tensor, num_groups: int, extent: int, threshold: float
) -> Tensor:
    """Non-maximum suppression within groups.

    The boxes of the groups are moved apart, so that one call of ``ops.NMSWithMask`` serves all.
    They stand in a square of groups rather than in a line, which needs fewer digits, and their
    coordinates are rounded to the step of :func:`group_grid`. Then every difference of coordinates
    is exact in float32, and the outcome is, to the last bit, that of each group for itself.

    ``ops.NMSWithMask`` suppresses where the IoU is larger than the threshold, without a pixel added
    to sides. CPU and GPU sort the boxes by score, Ascend takes them as they come; it is given
    falling places instead of scores, which makes the devices agree, also about equal scores. Its
    output of indices is 0, 1, 2, ... and holds no information.

    Args:
        boxes: (B, N, 4), best first, coordinates from 0 to ``extent``; B static.
        groups: (B, N) int32, from 0 to ``num_groups`` - 1.
        num_groups: how many groups there are at most.
        extent: largest coordinate, in whole pixels.
        threshold: of IoU.

    Returns:
        (B, N) bool, False where a better box of the group overlaps by more.
    """
    per_side, step = group_grid(num_groups, extent)
    row = groups // per_side
    column = (groups - row * per_side).expand_dims(2).astype(ms.float32)
    row = row.expand_dims(2).astype(ms.float32)
    shift = ops.cat((column, row, column, row), 2) * extent
    boxes = ops.round(boxes / step) * step + shift
    places = _falling(boxes.shape[1]).reshape((1, -1, 1)) * ops.ones_like(boxes[:, :, :1])
    kept: tuple = ()
    for image in ops.split(ops.cat((boxes, places), 2), 1, 0):
        _, _, mask = ops.NMSWithMask(threshold)(image.reshape((-1, 5)))
        kept += (mask.expand_dims(0),)
    return ops.cat(kept, 0)


@constant
def group_grid(num_groups: int, extent: int) -> tuple[int, float]:
    """Return how many groups lie side by side, and the step in pixels of their coordinates.

    The step is the power of two at which coordinates up to ``extent`` times that many have the 24
    digits of float32: 1/1024 pixel, hence an error of 1/2048, for 80 classes and 1344 pixels.
    """
    per_side = math.isqrt(num_groups - 1) + 1
    return per_side, 2.0 ** (math.ceil(math.log2(per_side * extent)) - 24)


@tensor_constant
def _falling(count: int) -> np.ndarray:
    return np.arange(count, 0, -1, dtype=np.float32)

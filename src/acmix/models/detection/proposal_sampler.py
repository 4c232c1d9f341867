"""Sampled proposals of a batch, and what they are to learn."""

from __future__ import annotations

import mindspore as ms
from mindspore import Tensor, nn, ops

from acmix.layers.full_precision import FullPrecision
from acmix.models.detection.matcher import IGNORED, Matcher
from acmix.ops.boxes import box_iou
from acmix.ops.linear import take_elements, take_rows


class ProposalSampler(FullPrecision):
    """Match proposals to ground-truth boxes, which are proposals, too, and draw some.

    Args:
        matcher: from proposals to boxes.
        sampler: from ``matched`` (B, P) to index, positive, valid (B, S).
    """

    def __init__(self, matcher: Matcher, sampler: nn.Cell):
        super().__init__()
        self.matcher, self.sampler = matcher, sampler

    def construct(
        self, proposals: Tensor, valid: Tensor, boxes: Tensor, known: Tensor, sizes: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Draw a sample of every image.

        Args:
            proposals: (B, P, 4); no gradient.
            valid: (B, P) bool, False for empty places.
            boxes: (B, M, 4) ground truth.
            known: (B, M) bool, False for padding.
            sizes: (B, 2) height and width of each image without padding.

        Returns:
            S proposals of each image, positives first. Boxes (B, S, 4), in empty places copies of
            real ones, as the norms of a head see these, too; the number of the ground-truth box of
            each (B, S) int32, any where it is not positive; and (B, S) bool each, whether it is
            positive, is not an empty place, and is itself a ground-truth box.
        """
        candidates = ops.cat((boxes, proposals), 1)
        usable = ops.cat((known, valid), 1)
        matched = ops.select(usable, self.matcher(box_iou(candidates, boxes), known), IGNORED)
        index, positive, drawn = self.sampler(matched)
        index = ops.select(drawn, index, index[:, :1])
        chosen = take_rows(candidates, index)
        # An image with neither an object nor a proposal has itself in all places.
        nothing = ops.ReduceMax(keep_dims=True)(usable.astype(ms.float32), 1) < 1
        corner = sizes[:, :1] * 0
        whole = ops.cat((corner, corner, sizes[:, 1:], sizes[:, :1]), 1).expand_dims(1)
        chosen = ops.select(nothing.expand_dims(2), whole, chosen)
        truth = ops.maximum(take_elements(matched, index), 0)
        return chosen, truth, positive, drawn, index < boxes.shape[1]

"""Region proposals: Ren et al., "Faster R-CNN", NeurIPS 2015, on a pyramid, as in mmdetection."""

from __future__ import annotations

from dataclasses import dataclass

import mindspore as ms
from mindspore import Tensor, nn, ops

from acmix.errors import check
from acmix.layers.full_precision import FullPrecision
from acmix.models.detection.coder import BoxCoder
from acmix.models.detection.matcher import BACKGROUND, IGNORED, Matcher
from acmix.models.detection.post_process import MOST_BOXES, suppress
from acmix.models.detection.predictions import per_anchor, prediction_conv
from acmix.ops.boxes import box_area, box_iou, clip_to_sizes
from acmix.ops.linear import take_elements, take_rows
from acmix.ops.losses import binary_cross_entropy, smooth_l1
from acmix.ops.ranking import largest
from acmix.parallel.divisor import Divisor


class RPNHead(nn.Cell):
    """Tell objects from background at every anchor and regress its box, equal at all levels.

    Args:
        channels: C of the maps.
        num_anchors: a, anchors per location.

    Shape:
        Tuple of (B, C, H_l, W_l) to logits (B, A) and deltas (B, A, 4), in the order level, y, x,
        anchor.
    """

    def __init__(self, channels: int, num_anchors: int):
        super().__init__()
        self.rpn_conv = prediction_conv(channels, channels, 3)
        self.rpn_cls = prediction_conv(channels, num_anchors, 1)
        self.rpn_reg = prediction_conv(channels, num_anchors * 4, 1)
        self.relu = nn.ReLU()

    def construct(self, maps: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Predict; see the class."""
        logits: tuple = ()
        deltas: tuple = ()
        for level in maps:
            x = self.relu(self.rpn_conv(level))
            logits += (per_anchor(self.rpn_cls(x), 1),)
            deltas += (per_anchor(self.rpn_reg(x), 4),)
        joined = ops.cat(logits, 1)
        return joined.reshape(joined.shape[:2]), ops.cat(deltas, 1)


@ms.jit_class
@dataclass(frozen=True)
class ProposalRule:
    """How proposals are chosen; mmdetection's numbers for inference.

    Args:
        top_k: anchors looked at, per level.
        nms_threshold: a box is suppressed by a better one of its level with a higher IoU.
        max_proposals: P, proposals of an image.

    Raises:
        UserError: a threshold outside of [0, 1], a count below 1, or a ``top_k`` above what
            ``ops.NMSWithMask`` takes.
    """

    top_k: int = 1000
    nms_threshold: float = 0.7
    max_proposals: int = 1000

    def __post_init__(self) -> None:
        check(
            0 <= self.nms_threshold <= 1,
            f"nms_threshold must be between 0 and 1, got {self.nms_threshold}.",
        )
        check(
            1 <= self.top_k <= MOST_BOXES,
            f"top_k must be from 1 to {MOST_BOXES}, which is what NMSWithMask takes on Ascend, "
            f"got {self.top_k}.",
        )
        check(
            self.max_proposals >= 1, f"max_proposals must be at least 1, got {self.max_proposals}."
        )

    def __call__(
        self,
        logits: Tensor,
        deltas: Tensor,
        anchors: Tensor,
        level_counts: tuple[int, ...],
        coder: BoxCoder,
        sizes: Tensor,
        extent: int,
    ) -> tuple[Tensor, Tensor]:
        """Choose the proposals of every image; B must be static.

        The best ``top_k`` of each level are decoded, cut at the image and suppressed within the
        level; the best ``max_proposals`` of all levels stay. Logits are compared, not scores: in
        float32 many sigmoids are equal to 1. No gradient passes.

        Args:
            logits: (B, A).
            deltas: (B, A, 4).
            anchors: (A, 4).
            level_counts: anchors of each level, A together.
            coder: of the deltas.
            sizes: (B, 2) height and width of each image without padding.
            extent: longer side of the padded images, in pixels.

        Returns:
            Boxes (B, P, 4) and whether there is a proposal (B, P) bool, best first; the boxes of
            empty places are 0.
        """
        logits = ops.stop_gradient(logits.astype(ms.float32))
        deltas = ops.stop_gradient(deltas)
        values: tuple = ()
        boxes: tuple = ()
        start = 0
        for level in ops.split(logits, level_counts, 1):
            value, row = largest(level, min(self.top_k, level.shape[1]))
            row = row + start
            start += level.shape[1]
            chosen = take_rows(anchors.expand_dims(0), row.reshape((-1,)))
            chosen = chosen.reshape((*row.shape, 4))
            box = clip_to_sizes(coder.decode(take_rows(deltas, row), chosen), sizes)
            kept = suppress(box, ops.zeros_like(row), 1, extent, self.nms_threshold)
            kept = ops.logical_and(kept, box_area(box) > 0)
            values += (ops.select(kept, value, _NEVER),)
            boxes += (box,)
        value = ops.cat(values, 1)
        value, order = largest(value, min(self.max_proposals, value.shape[1]))
        valid = value > _NEVER
        return take_rows(ops.cat(boxes, 1), order) * valid.astype(ms.float32).expand_dims(2), valid


_NEVER = -3e38
"""Below every logit."""


class RPNLoss(FullPrecision):
    """Binary cross entropy of the sampled anchors and box loss of the positive ones.

    Both are divided by the number of sampled anchors of the batch, at least one positive and one
    negative for each image.

    Args:
        matcher: from anchors to boxes.
        sampler: from ``matched`` (B, A) to index, positive, valid (B, S); None samples all.
        coder: of the deltas.
        beta: where the box loss bends, in deltas; 0 for L1.
    """

    def __init__(self, matcher: Matcher, sampler: nn.Cell | None, coder: BoxCoder, beta: float):
        super().__init__()
        self.matcher, self.sampler, self.coder, self.beta = matcher, sampler, coder, beta
        self.divisor = Divisor()

    def construct(
        self,
        logits: Tensor,
        deltas: Tensor,
        anchors: Tensor,
        allowed: Tensor,
        boxes: Tensor,
        valid: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return the two losses, scalars.

        Args:
            logits: (B, A).
            deltas: (B, A, 4).
            anchors: (A, 4).
            allowed: (B, A) bool, False for anchors that are left out, such as those on padding.
            boxes: (B, M, 4).
            valid: (B, M) bool, False where the box is padding.
        """
        iou = box_iou(anchors.expand_dims(0), boxes)
        # Anchors that are left out must not be the best of a box either.
        iou = iou * allowed.astype(ms.float32).expand_dims(2)
        matched = ops.select(allowed, self.matcher(iou, valid), IGNORED)
        positive, sampled = matched >= 0, matched >= BACKGROUND
        targets_of = ops.maximum(matched, 0)
        anchors = anchors.expand_dims(0)
        if self.sampler is not None:
            index, positive, sampled = self.sampler(matched)
            logits = take_elements(logits, index)
            deltas = take_rows(deltas, index)
            anchors = take_rows(anchors, index.reshape((-1,))).reshape((*index.shape, 4))
            targets_of = take_elements(targets_of, index)
        positive, sampled = positive.astype(ms.float32), sampled.astype(ms.float32)
        count = ops.maximum(positive.sum(1), 1) + ops.maximum((sampled - positive).sum(1), 1)
        total = self.divisor(count.sum())
        entropy = binary_cross_entropy(logits, positive)
        offsets = self.coder.encode(take_rows(boxes, targets_of), anchors)
        distance = smooth_l1(deltas, offsets, self.beta) * positive.expand_dims(2)
        return (entropy * sampled).sum() / total, distance.sum() / total

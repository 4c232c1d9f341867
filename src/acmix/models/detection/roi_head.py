"""The second stage of detectors: classes, boxes and masks of proposals, once or in a cascade.

He et al., "Mask R-CNN", ICCV 2017, has one stage; Cai and Vasconcelos, "Cascade R-CNN", CVPR 2018,
has three, each of which starts from the boxes of the one before. As in mmdetection, also where it
differs from the papers.
"""

from __future__ import annotations

from collections.abc import Sequence

import mindspore as ms
from mindspore import Tensor, nn, ops

from acmix.layers.full_precision import FullPrecision
from acmix.models.detection.box_head import BoxHead
from acmix.models.detection.mask_head import MaskHead
from acmix.models.detection.mask_targets import crop_targets
from acmix.models.detection.matcher import Matcher
from acmix.models.detection.pooler import MultiLevelPooler
from acmix.models.detection.post_process import PostProcess, best_pairs
from acmix.models.detection.proposal_sampler import ProposalSampler
from acmix.models.detection.sampler import BalancedSampler
from acmix.ops.boxes import clip_to_sizes
from acmix.ops.linear import take_elements, take_rows

BOX_SIDE, MASK_SIDE = 7, 14
"""Sides of the features of a box for its class and for its mask, which is twice as large."""


class RoIStage(FullPrecision):
    """The heads of one stage, and what they learn.

    Args:
        strides: image pixels per pixel of each map that boxes are pooled from.
        sampling_ratio: samples per bin and axis of RoIAlign.
        matcher: from proposals to ground-truth boxes.
        samples: proposals of an image to learn from.
        positive_fraction: largest share of positives among them; only these have a mask.
        box_head: of classes and boxes, on features of ``BOX_SIDE``.
        mask_head: of masks, on features of ``MASK_SIDE``.
        weight: of the stage's losses.
    """

    def __init__(
        self,
        strides: Sequence[int],
        sampling_ratio: int,
        matcher: Matcher,
        samples: int,
        positive_fraction: float,
        box_head: BoxHead,
        mask_head: MaskHead,
        weight: float = 1.0,
    ):
        super().__init__()
        sampler = BalancedSampler(samples, positive_fraction)
        self.sampler = ProposalSampler(matcher, sampler)
        self.num_positives, self.weight = sampler.num_positives, weight
        self.box_pooler = MultiLevelPooler(BOX_SIDE, strides, sampling_ratio)
        self.mask_pooler = MultiLevelPooler(MASK_SIDE, strides, sampling_ratio)
        self.box_head, self.mask_head = box_head, mask_head

    def construct(self, maps: tuple[Tensor, ...], boxes: Tensor) -> tuple[Tensor, Tensor]:
        """Return logits (B, R, K + 1) and deltas (B, R, K * 4) of boxes (B, R, 4)."""
        return self.box_head(self.box_pooler(maps, boxes))

    def masks(self, maps: tuple[Tensor, ...], boxes: Tensor, labels: Tensor) -> Tensor:
        """Return mask logits (B, R, S, S) of boxes (B, R, 4) of known classes (B, R)."""
        return self.mask_head(self.mask_pooler(maps, boxes), labels)

    def refine(self, logits: Tensor, deltas: Tensor, boxes: Tensor, sizes: Tensor) -> Tensor:
        """Return the boxes (B, R, 4) of the likeliest classes, cut at the images."""
        better = self.box_head.decode(deltas, boxes, self.box_head.best_class(logits))
        return clip_to_sizes(better, sizes)

    def losses(
        self,
        maps: tuple[Tensor, ...],
        proposals: Tensor,
        valid: Tensor,
        boxes: Tensor,
        labels: Tensor,
        sizes: Tensor,
        masks: Tensor,
    ) -> tuple[tuple[Tensor, ...], Tensor, Tensor]:
        """Return the weighted losses, and proposals (B, S, 4) for the next stage with validity.

        Ground-truth boxes are not passed on; the next stage adds them again.

        Args: see :meth:`RoIHead.losses`.
        """
        sample = self.sampler(proposals, valid, boxes, labels >= 0, sizes)
        chosen, truth, positive, real, is_truth = sample
        logits, deltas = self.construct(maps, chosen)
        classes = ops.select(positive, take_elements(labels, truth), self.box_head.num_classes)
        loss_cls, loss_box = self.box_head.losses(
            logits, deltas, chosen, take_rows(boxes, truth), classes, real
        )
        few = self.num_positives
        first = chosen[:, :few]
        shown = self.masks(maps, first, classes[:, :few])
        targets = crop_targets(masks, boxes, truth[:, :few], first, shown.shape[3])
        loss_mask = self.mask_head.loss(shown, targets, positive[:, :few])
        losses = (self.weight * loss_cls, self.weight * loss_box, self.weight * loss_mask)
        better = ops.select(positive, classes, self.box_head.best_class(logits))
        refined = clip_to_sizes(self.box_head.decode(deltas, chosen, better), sizes)
        kept = ops.logical_and(real, ops.logical_not(is_truth))
        return losses, ops.stop_gradient(refined), kept


class RoIHead(FullPrecision):
    """One stage, or a cascade of several.

    Args:
        stages: in the order of refinement, equal in classes and coordinates of boxes.

    Attributes:
        loss_names: of what :meth:`losses` returns.
    """

    def __init__(self, stages: Sequence[RoIStage]):
        super().__init__()
        self.stages = nn.CellList(list(stages))
        # Not looked up in construct: a Cell that an index into a list gives makes MindSpore 2.8
        # crash when it compiles a second graph.
        self.coder, self.class_wise = stages[-1].box_head.coder, stages[-1].box_head.class_wise
        prefixes = [f"s{i}." for i in range(len(stages))] if len(stages) > 1 else [""]
        self.loss_names = tuple(
            prefix + name for prefix in prefixes for name in ("loss_cls", "loss_box", "loss_mask")
        )

    def construct(self, maps: tuple[Tensor, ...], boxes: Tensor) -> tuple[Tensor, ...]:
        """Return logits, deltas and masks of the first class of boxes (B, R, 4), of every stage."""
        first = ops.zeros_like(boxes[:, :, 0]).astype(ms.int32)
        outputs: tuple = ()
        for stage in self.stages:
            outputs += (*stage(maps, boxes), stage.masks(maps, boxes, first))
        return outputs

    def losses(
        self,
        maps: tuple[Tensor, ...],
        proposals: Tensor,
        valid: Tensor,
        boxes: Tensor,
        labels: Tensor,
        sizes: Tensor,
        masks: Tensor,
    ) -> tuple[Tensor, ...]:
        """Return the losses of all stages, scalars.

        Args:
            maps: tuple of (B, C, H_l, W_l), those that boxes are pooled from.
            proposals: (B, P, 4); no gradient.
            valid: (B, P) bool, False for empty places.
            boxes: (B, M, 4) ground truth.
            labels: (B, M) int32, -1 for padding.
            sizes: (B, 2) height and width of each image without padding.
            masks: (B, M, S, S) crops, see :func:`.crop_targets`.
        """
        losses: tuple = ()
        for stage in self.stages:
            own, proposals, valid = stage.losses(
                maps, proposals, valid, boxes, labels, sizes, masks
            )
            losses += own
        return losses

    def scores(
        self, maps: tuple[Tensor, ...], proposals: Tensor, sizes: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return mean logits (B, P, K + 1) of all stages, and deltas and start of the last's boxes.

        Every stage starts from the boxes of the likeliest classes of the one before.
        """
        every: tuple = ()
        start, deltas = proposals, proposals
        for stage in self.stages:
            start = proposals
            logits, deltas = stage(maps, start)
            proposals = stage.refine(logits, deltas, start, sizes)
            every += (logits,)
        return _mean(every), deltas, start

    def detect(
        self,
        maps: tuple[Tensor, ...],
        proposals: Tensor,
        valid: Tensor,
        sizes: Tensor,
        rule: PostProcess,
        height: int,
        width: int,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the detections of proposals; B must be static.

        Args:
            maps, proposals, valid, sizes: as in :meth:`losses`.
            rule: how they are chosen.
            height, width: of the padded images in pixels.

        Returns:
            Boxes (B, D, 4), scores (B, D) and labels (B, D) int32 as of
            :meth:`PostProcess.detections`, and masks (B, D, S, S), the probability of each pixel of
            a box, 0 where there is no detection.
        """
        logits, deltas, start = self.scores(maps, proposals, sizes)
        batch, count, classes = logits.shape[0], logits.shape[1], logits.shape[2] - 1
        scores = ops.Softmax()(logits)[:, :, :classes] * valid.astype(ms.float32).expand_dims(2)
        scores, rows, labels = best_pairs(scores, rule.max_candidates)
        if self.class_wise:
            pairs = rows * classes + labels
            deltas = take_rows(deltas.reshape((batch, count * classes, 4)), pairs)
        else:
            deltas = take_rows(deltas, rows)
        boxes = clip_to_sizes(self.coder.decode(deltas, take_rows(start, rows)), sizes)
        boxes, scores, labels = rule.detections(boxes, scores, labels, classes, height, width)
        masks: tuple = ()
        for stage in self.stages:
            masks += (ops.sigmoid(stage.masks(maps, boxes, labels)),)
        found = (labels >= 0).astype(ms.float32).reshape((batch, -1, 1, 1))
        return boxes, scores, labels, _mean(masks) * found


def _mean(tensors: tuple[Tensor, ...]) -> Tensor:
    total = tensors[0]
    for one in tensors[1:]:
        total = total + one
    return total / len(tensors)

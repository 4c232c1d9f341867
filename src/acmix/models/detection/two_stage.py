"""Detectors that propose boxes first, then look at each."""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, ops

from acmix.models.backbone import Backbone
from acmix.models.detection.anchors import AnchorGenerator, anchor_counts
from acmix.models.detection.coder import BoxCoder
from acmix.models.detection.detector import Detector
from acmix.models.detection.matcher import Matcher
from acmix.models.detection.post_process import PostProcess
from acmix.models.detection.roi_head import RoIHead
from acmix.models.detection.rpn import ProposalRule, RPNHead, RPNLoss
from acmix.models.detection.sampler import BalancedSampler
from acmix.models.fpn import FPN, level_sizes, level_strides
from acmix.ops.constants import tensor_constant

SIZE_DIVISOR = 32
"""Anchors lie on an image whose sides are rounded up to multiples of this, as mmdetection pads."""


class TwoStageDetector(Detector):
    """A feature pyramid, region proposals (Ren et al., NeurIPS 2015) and a head for each proposal.

    Args:
        backbone: made with ``features_only=True``; its maps, fine to coarse, enter the pyramid. A
            coarser map, every second pixel of the last, is added for proposals only.
        num_classes: K.
        channels: of the pyramid.
        roi_head: of the proposals.
        anchor_scale: side of the square anchors in strides.
        inside_only: whether only anchors that lie wholly inside of an image learn.
        rpn_samples: anchors of an image to learn from, at most half of them positive.
        rpn_beta: where the box loss of proposals bends, in deltas; 0 for L1.
        top_k, training_top_k: anchors of a level that proposals are chosen from, in inference and
            in training.
        proposals, training_proposals: of an image, in inference and in training.
        proposal_overlap: IoU above which a proposal suppresses a worse one of its level.
        post_process: how detections are chosen.
    """

    out_indices = (-4, -3, -2, -1)
    has_masks = True
    classifier_name = "roi_head.stages.0.box_head.fc_cls"

    def __init__(
        self,
        backbone: Backbone,
        num_classes: int,
        channels: int,
        roi_head: RoIHead,
        anchor_scale: float,
        inside_only: bool,
        rpn_samples: int,
        rpn_beta: float,
        top_k: int,
        training_top_k: int,
        proposals: int,
        training_proposals: int,
        proposal_overlap: float,
        post_process: PostProcess,
    ):
        super().__init__(backbone, num_classes, post_process)
        info = backbone.feature_info
        levels = len(info) + 1
        self.neck = FPN([stage.channels for stage in info], channels, levels, "pool")
        self.strides = level_strides([stage.reduction for stage in info], levels)
        anchors = AnchorGenerator(self.strides, anchor_scale, 1)
        self.num_anchors = anchors.num_anchors
        self.anchors = tensor_constant(anchors.__call__)
        self.rpn_head = RPNHead(channels, anchors.num_anchors)
        self.rpn_coder = BoxCoder()
        self.rpn_loss = RPNLoss(
            Matcher(0.7, 0.3, boxes_claim=True, low_quality=0.3),
            BalancedSampler(rpn_samples, 0.5),
            self.rpn_coder,
            rpn_beta,
        )
        self.inside_only = inside_only
        self.training_rule = ProposalRule(training_top_k, proposal_overlap, training_proposals)
        self.proposal_rule = ProposalRule(top_k, proposal_overlap, proposals)
        self.roi_head = roi_head
        self.loss_names = ("loss", "loss_rpn_cls", "loss_rpn_box", *roi_head.loss_names)

    @classmethod
    def classes_of(cls, outputs: int) -> int:
        """Return the number of classes; the background has an output, too."""
        return outputs - 1

    def classifier_parameters(self) -> list[Parameter]:
        """Return the parameters that depend on the number of classes."""
        layers = []
        for stage in self.roi_head.stages:
            box_head, mask_head = stage.box_head, stage.mask_head
            layers += [box_head.fc_cls, mask_head.conv_logits]
            layers += [box_head.fc_reg] if box_head.class_wise else []
        return [parameter for layer in layers for parameter in layer.get_parameters()]

    def construct(self, images: Tensor) -> tuple[Tensor, ...]:
        """Return what two forms of the network are compared by: outputs before any choice.

        These are logits (B, A) and deltas (B, A, 4) of all anchors, and those of the heads for a
        box as large as the image, see :meth:`RoIHead.construct`.
        """
        maps, logits, deltas = self.predict(images)
        box = _whole_box(images.shape[0], images.shape[2], images.shape[3])
        return (logits, deltas, *self.roi_head(maps[:-1], box))

    def predict(self, images: Tensor) -> tuple[tuple[Tensor, ...], Tensor, Tensor]:
        """Return the pyramid's maps, and logits (B, A) and deltas (B, A, 4) of all anchors."""
        maps = self.neck(self.backbone(images))
        logits, deltas = self.rpn_head(maps)
        return maps, logits.astype(ms.float32), deltas.astype(ms.float32)

    def losses(
        self,
        images: Tensor,
        boxes: Tensor,
        labels: Tensor,
        sizes: Tensor,
        masks: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """Return the total and its parts, see the base class."""
        maps, logits, deltas = self.predict(images)
        _, _, height, width = images.shape
        shapes = level_sizes(self.strides, height, width)
        anchors = self.anchors(shapes)
        allowed = inside(anchors, sizes) if self.inside_only else on_image(anchors, sizes)
        own = self.rpn_loss(logits, deltas, anchors, allowed, boxes, labels >= 0)
        counts, extent = anchor_counts(shapes, self.num_anchors), max(height, width)
        proposals, valid = self.training_rule(
            logits, deltas, anchors, counts, self.rpn_coder, sizes, extent
        )
        others = self.roi_head.losses(maps[:-1], proposals, valid, boxes, labels, sizes, masks)
        total = own[0] + own[1]
        for loss in others:
            total = total + loss
        return (total, *own, *others)

    def detect(self, images: Tensor, sizes: Tensor | None = None) -> tuple[Tensor, ...]:
        """Return boxes, scores, labels and masks, see the base class."""
        maps, logits, deltas = self.predict(images)
        batch, _, height, width = images.shape
        if sizes is None:
            sizes = _whole(batch, height, width)
        shapes = level_sizes(self.strides, height, width)
        counts, extent = anchor_counts(shapes, self.num_anchors), max(height, width)
        proposals, valid = self.proposal_rule(
            logits, deltas, self.anchors(shapes), counts, self.rpn_coder, sizes, extent
        )
        return self.roi_head.detect(
            maps[:-1], proposals, valid, sizes, self.post_process, height, width
        )


def inside(anchors: Tensor, sizes: Tensor) -> Tensor:
    """Return which anchors (A, 4) lie wholly inside of images of (B, 2) height, width: (B, A)."""
    x1, y1, x2, y2 = ops.split(anchors.expand_dims(0), 1, 2)
    near = ops.logical_and(x1 >= 0, y1 >= 0)
    far = ops.logical_and(x2 < sizes[:, 1:].expand_dims(1), y2 < sizes[:, :1].expand_dims(1))
    return ops.logical_and(near, far).squeeze(2)


def on_image(anchors: Tensor, sizes: Tensor) -> Tensor:
    """Return which anchors have their centre on an image, see ``SIZE_DIVISOR``: (B, A)."""
    x1, y1, x2, y2 = ops.split(anchors.expand_dims(0), 1, 2)
    padded = ops.ceil(sizes / SIZE_DIVISOR) * SIZE_DIVISOR - 0.5  # centres are whole pixels
    across = (x1 + x2) / 2 < padded[:, 1:].expand_dims(1)
    down = (y1 + y2) / 2 < padded[:, :1].expand_dims(1)
    return ops.logical_and(across, down).squeeze(2)


@tensor_constant
def _whole(batch: int, height: int, width: int) -> np.ndarray:
    return np.tile(np.array([height, width], np.float32), (batch, 1))


@tensor_constant
def _whole_box(batch: int, height: int, width: int) -> np.ndarray:
    return np.tile(np.array([0, 0, width, height], np.float32), (batch, 1, 1))

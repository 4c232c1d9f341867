"""RetinaNet: Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017.

As in mmdetection, where it differs from the paper: see :mod:`acmix.models.fpn`, :mod:`.anchors`.
"""

from __future__ import annotations

import math

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from acmix.errors import check
from acmix.models.backbone import Backbone
from acmix.models.detection.anchors import AnchorGenerator, anchor_counts
from acmix.models.detection.coder import BoxCoder
from acmix.models.detection.matcher import IGNORED, Matcher
from acmix.models.detection.one_stage import OneStageDetector
from acmix.models.detection.post_process import PostProcess
from acmix.models.detection.predictions import per_anchor, prediction_conv
from acmix.models.fpn import FPN, level_sizes, level_strides
from acmix.ops.boxes import box_iou, clip_boxes
from acmix.ops.constants import tensor_constant
from acmix.ops.linear import take_rows
from acmix.ops.losses import sigmoid_focal_loss, smooth_l1
from acmix.parallel.divisor import Divisor


class RetinaHead(nn.Cell):
    """Classify every anchor and regress its box, by the same convolutions at every level.

    Args:
        channels: C of the maps.
        num_anchors: a, anchors per location.
        num_classes: K.
        num_convs: 3x3 convolutions with ReLU before each of the two predictions.
        prior: probability of an object with which every logit begins (Sec. 3.3).

    Shape:
        Tuple of (B, C, H_l, W_l) to logits (B, A, K) and deltas (B, A, 4), in the order level, y,
        x, anchor.
    """

    def __init__(
        self, channels: int, num_anchors: int, num_classes: int, num_convs: int, prior: float
    ):
        super().__init__()
        check(0 < prior < 1, f"prior must be between 0 and 1, got {prior}.")
        self.num_classes = num_classes
        self.cls_convs = _tower(channels, num_convs)
        self.reg_convs = _tower(channels, num_convs)
        bias = -math.log((1 - prior) / prior)
        self.retina_cls = prediction_conv(channels, num_anchors * num_classes, bias=bias)
        self.retina_reg = prediction_conv(channels, num_anchors * 4)

    def construct(self, maps: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
        """Predict; see the class."""
        logits: tuple = ()
        deltas: tuple = ()
        for x in maps:
            logits += (per_anchor(self.retina_cls(self.cls_convs(x)), self.num_classes),)
            deltas += (per_anchor(self.retina_reg(self.reg_convs(x)), 4),)
        return ops.cat(logits, 1), ops.cat(deltas, 1)


class RetinaNet(OneStageDetector):
    """A feature pyramid and a head that is shared by its levels.

    Args:
        backbone: made with ``features_only=True``; its maps, fine to coarse, enter the pyramid.
        num_classes: K.
        channels, num_levels, extra_levels: of :class:`FPN`.
        num_convs, prior: of :class:`RetinaHead`.
        focal_alpha, focal_gamma: of the focal loss.
        smooth_l1_beta: where the box loss bends, in deltas; 0 for L1.
        box_loss_weight: of the box loss in the total.
        post_process: how detections are chosen.

    Shape:
        (B, C, H, W) to logits (B, A, K) and deltas (B, A, 4), float32; any H and W.
    """

    loss_names = ("loss", "loss_cls", "loss_box")
    classifier_name = "head.retina_cls"

    def __init__(
        self,
        backbone: Backbone,
        num_classes: int = 80,
        channels: int = 256,
        num_levels: int = 5,
        extra_levels: str = "input",
        num_convs: int = 4,
        prior: float = 0.01,
        focal_alpha: float = 0.25,
        focal_gamma: float = 2.0,
        smooth_l1_beta: float = 1 / 9,
        box_loss_weight: float = 1.0,
        post_process: PostProcess = PostProcess(),  # noqa: B008 (frozen)
    ):
        super().__init__(backbone, num_classes, post_process)
        info = backbone.feature_info
        self.neck = FPN([stage.channels for stage in info], channels, num_levels, extra_levels)
        self.strides = level_strides([stage.reduction for stage in info], num_levels)
        anchors = AnchorGenerator(self.strides)
        self.num_anchors = anchors.num_anchors
        self.anchors = tensor_constant(anchors.__call__)
        self.head = RetinaHead(channels, anchors.num_anchors, num_classes, num_convs, prior)
        self.matcher, self.coder, self.divisor = Matcher(), BoxCoder(), Divisor()
        self.focal_alpha, self.focal_gamma = focal_alpha, focal_gamma
        self.smooth_l1_beta, self.box_loss_weight = smooth_l1_beta, box_loss_weight

    @classmethod
    def classes_of(cls, outputs: int) -> int:
        """Return the number of classes; every anchor has an output for each."""
        return outputs // AnchorGenerator((1,)).num_anchors

    def classifier_parameters(self) -> list[Parameter]:
        """Return the parameters that depend on the number of classes."""
        return list(self.head.retina_cls.get_parameters())

    def construct(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the head's outputs for every anchor."""
        logits, deltas = self.head(self.neck(self.backbone(images)))
        return logits.astype(ms.float32), deltas.astype(ms.float32)

    def losses(
        self,
        images: Tensor,
        boxes: Tensor,
        labels: Tensor,
        sizes: Tensor,
        masks: Tensor | None = None,
    ) -> tuple[Tensor, ...]:
        """Return total, focal and box loss, both per positive anchor of the batch."""
        logits, deltas = self.construct(images)
        _, _, height, width = images.shape
        anchors = self.anchors(level_sizes(self.strides, height, width)).expand_dims(0)
        matched = self.matcher(box_iou(anchors, boxes), labels >= 0)
        positive = matched >= 0
        index = ops.maximum(matched, 0)
        classes = take_rows(labels.expand_dims(2), index)
        targets = ops.logical_and(classes == _numbers(self.num_classes), positive.expand_dims(2))
        focal = sigmoid_focal_loss(logits, targets, self.focal_alpha, self.focal_gamma)
        counted = (matched != IGNORED).astype(ms.float32).expand_dims(2)
        offsets = self.coder.encode(take_rows(boxes, index), anchors)
        distance = smooth_l1(deltas, offsets, self.smooth_l1_beta)
        positive = positive.astype(ms.float32)
        number = self.divisor(positive.sum())
        loss_cls = (focal * counted).sum() / number
        loss_box = (distance * positive.expand_dims(2)).sum() / number
        return loss_cls + self.box_loss_weight * loss_box, loss_cls, loss_box

    def candidates(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the best pairs of anchor and class."""
        logits, deltas = self.construct(images)
        _, _, height, width = images.shape
        sizes = level_sizes(self.strides, height, width)
        counts = anchor_counts(sizes, self.num_anchors)
        return self.post_process.candidates(
            logits, deltas, self.anchors(sizes), counts, self.coder, height, width
        )

    def decoded(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits and the decoded boxes of all anchors."""
        logits, deltas = self.construct(images)
        _, _, height, width = images.shape
        anchors = self.anchors(level_sizes(self.strides, height, width))
        return logits, clip_boxes(self.coder.decode(deltas, anchors), height, width)


def _tower(channels: int, num_convs: int) -> nn.SequentialCell:
    return nn.SequentialCell(
        [
            cell
            for _ in range(num_convs)
            for cell in (prediction_conv(channels, channels), nn.ReLU())
        ]
    )


@tensor_constant
def _numbers(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.int32)

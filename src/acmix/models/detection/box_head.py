"""The second stage's classes and boxes: a class for every proposal, and a better box.

Girshick, "Fast R-CNN", ICCV 2015, and Cai and Vasconcelos, "Cascade R-CNN", CVPR 2018, as in
mmdetection: background is the LAST class, and both losses are means over ALL sampled proposals.
"""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops
from mindspore.common.initializer import Normal, XavierUniform

from acmix.errors import check, suggest
from acmix.layers.conv_norm import ConvNormReLU
from acmix.layers.full_precision import FullPrecision
from acmix.models.detection.coder import BoxCoder
from acmix.ops.constants import tensor_constant
from acmix.ops.linear import take_rows
from acmix.ops.losses import pixel_cross_entropy, smooth_l1
from acmix.ops.overlap_loss import giou_loss
from acmix.parallel.divisor import Divisor

BOX_LOSSES = ("smooth_l1", "giou")
_IGNORED = -1


class BoxHead(FullPrecision):
    """Convolutions, linear layers, then classes and deltas of every proposal.

    The plain head of Mask R-CNN has no convolution and two linear layers. That of Swin's Cascade
    has four and one, and its BatchNorm sees all proposals that it is given: empty places of a
    sample must be copies of real boxes, not zeros.

    Letters: B images, R proposals of each, C channels, P side of their features, K classes.

    Args:
        in_channels: C.
        output_size: P.
        num_classes: K, without background.
        num_convs: 3x3 convolutions with BatchNorm and ReLU.
        num_fcs: linear layers with ReLU, at least one.
        conv_channels, fc_channels: of these layers.
        class_wise: whether every class has deltas of its own, or all have the same.
        coder: of the deltas.
        box_loss: ``smooth_l1`` on deltas, or ``giou`` on decoded boxes.
        smooth_l1_beta: where that loss bends, in deltas; 0 for L1.
        box_loss_weight: factor of the box loss; Swin's Cascade has 10 with ``giou``.

    Shape:
        (B, R, C, P, P) to logits (B, R, K + 1), background last, and deltas (B, R, K * 4), or
        (B, R, 4) without ``class_wise``; both float32.

    Raises:
        UserError: an impossible number of layers, an unknown loss or a negative number of it.
    """

    def __init__(
        self,
        in_channels: int,
        output_size: int,
        num_classes: int,
        num_convs: int = 0,
        num_fcs: int = 2,
        conv_channels: int = 256,
        fc_channels: int = 1024,
        class_wise: bool = True,
        coder: BoxCoder = BoxCoder((0.1, 0.1, 0.2, 0.2)),  # noqa: B008 (frozen)
        box_loss: str = "smooth_l1",
        smooth_l1_beta: float = 0.0,
        box_loss_weight: float = 1.0,
    ):
        super().__init__()
        check(num_convs >= 0, f"num_convs must not be negative, got {num_convs}.")
        check(num_fcs >= 1, f"num_fcs must be at least 1, got {num_fcs}.")
        check(
            box_loss in BOX_LOSSES,
            f"box_loss='{box_loss}' is unknown.{suggest(box_loss, BOX_LOSSES)}",
        )
        check(smooth_l1_beta >= 0, f"smooth_l1_beta must not be negative, got {smooth_l1_beta}.")
        check(box_loss_weight >= 0, f"box_loss_weight must not be negative, got {box_loss_weight}.")
        self.num_classes, self.class_wise, self.coder = num_classes, class_wise, coder
        self.overlap_loss = box_loss == "giou"
        self.smooth_l1_beta, self.box_loss_weight = smooth_l1_beta, box_loss_weight
        convs = [conv_channels] * num_convs
        widths = [in_channels, *convs]
        self.shared_convs = nn.CellList(
            [ConvNormReLU(widths[i], widths[i + 1], 3) for i in range(num_convs)]
        )
        widths = [widths[-1] * output_size**2, *[fc_channels] * num_fcs]
        self.shared_fcs = nn.CellList(
            [_linear(widths[i], widths[i + 1], XavierUniform()) for i in range(num_fcs)]
        )
        self.relu, self.divisor = nn.ReLU(), Divisor()
        self.fc_cls = _linear(fc_channels, num_classes + 1, Normal(0.01))
        self.fc_reg = _linear(fc_channels, 4 * (num_classes if class_wise else 1), Normal(0.001))

    def construct(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Predict; see the class."""
        batch, count, channels, height, width = features.shape
        x = features.reshape((-1, channels, height, width))
        for cell in self.shared_convs:
            x = cell(x)
        x = x.reshape((batch * count, -1))
        for cell in self.shared_fcs:
            x = self.relu(cell(x))
        logits = self.fc_cls(x).reshape((batch, count, -1)).astype(ms.float32)
        return logits, self.fc_reg(x).reshape((batch, count, -1)).astype(ms.float32)

    def losses(
        self,
        logits: Tensor,
        deltas: Tensor,
        proposals: Tensor,
        boxes: Tensor,
        labels: Tensor,
        valid: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return the class loss and the weighted box loss, both divided by all valid places.

        Without a valid place both are 0.

        Args:
            logits, deltas: of :meth:`construct`.
            proposals: (B, R, 4) boxes that the deltas start from; no gradient.
            boxes: (B, R, 4) ground truth of each; any box where the label is background.
            labels: (B, R) int32, K for background; any where ``valid`` is False.
            valid: (B, R) bool, False for empty places of the sample.
        """
        proposals = ops.stop_gradient(proposals)
        valid = valid.reshape((-1,))
        labels = labels.astype(ms.int32).reshape((-1,))
        number = self.divisor(valid.astype(ms.float32).sum())
        counted = ops.select(valid, labels, ops.full_like(labels, _IGNORED))
        rows = logits.reshape((-1, self.num_classes + 1))
        loss_cls = pixel_cross_entropy(rows, counted, _IGNORED) * labels.shape[0] / number
        positive = ops.logical_and(valid, labels < self.num_classes)
        inside = positive.reshape((*logits.shape[:2], 1))
        chosen = self.of_class(deltas, labels.reshape(logits.shape[:2]))
        # The others are replaced before and after: 0 times the slope of an infinite loss is NaN.
        chosen = ops.select(inside, chosen, ops.zeros_like(chosen))
        boxes = ops.select(inside, boxes, proposals)
        distance = self._distance(chosen, proposals, boxes).reshape((-1,))
        total = ops.select(positive, distance, ops.zeros_like(distance)).sum()
        return loss_cls, self.box_loss_weight * total / number

    def decode(self, deltas: Tensor, proposals: Tensor, labels: Tensor) -> Tensor:
        """Return the boxes (B, R, 4) that a class has: Cascade's next proposals; not cut.

        Args:
            deltas, proposals: as in :meth:`losses`.
            labels: (B, R) int32 class of each; one out of range is taken as the nearest class.
        """
        return self.coder.decode(self.of_class(deltas, labels), proposals)

    def of_class(self, deltas: Tensor, labels: Tensor) -> Tensor:
        """Choose the deltas (B, R, 4) of one class per proposal; see :meth:`decode`."""
        batch, count, _ = deltas.shape
        if not self.class_wise:
            return deltas
        index = ops.clip_by_value(labels.astype(ms.int32).reshape((-1,)), 0, self.num_classes - 1)
        index = index + _first_rows(batch * count, self.num_classes)
        return take_rows(deltas.reshape((1, -1, 4)), index).reshape((batch, count, 4))

    def best_class(self, logits: Tensor) -> Tensor:
        """Return the class (B, R) int32 that is likeliest, background aside."""
        return ops.Argmax(-1, ms.int32)(logits[:, :, : self.num_classes])

    def _distance(self, deltas: Tensor, proposals: Tensor, boxes: Tensor) -> Tensor:
        """Return the loss (B, R) of every proposal's chosen deltas (B, R, 4)."""
        if self.overlap_loss:
            return giou_loss(self.coder.decode(deltas, proposals), boxes)
        target = self.coder.encode(boxes, proposals)
        return smooth_l1(deltas, target, self.smooth_l1_beta).sum(-1)


def _linear(in_channels: int, out_channels: int, weight_init: object) -> nn.Dense:
    return nn.Dense(in_channels, out_channels, weight_init=weight_init, bias_init="zeros")


@tensor_constant
def _first_rows(count: int, step: int) -> np.ndarray:
    return (np.arange(count) * step).astype(np.int32)

"""The mask of every object: He et al., "Mask R-CNN", ICCV 2017, as in mmdetection.

How its targets are made of the masks of whole images: :mod:`.mask_targets`.
"""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops
from mindspore.common.initializer import HeNormal

from acmix.errors import check
from acmix.layers.blocks import conv
from acmix.layers.full_precision import FullPrecision
from acmix.ops.constants import tensor_constant
from acmix.ops.linear import take_rows
from acmix.ops.losses import sigmoid_focal_loss


class ConvReLU(nn.Cell):
    """A 3x3 convolution with bias, and ReLU: (N, C_in, P, P) to (N, C, P, P)."""

    def __init__(self, in_channels: int, channels: int):
        super().__init__()
        self.conv = conv(in_channels, channels, 3, padding=1, has_bias=True)
        self.relu = nn.ReLU()

    def construct(self, x: Tensor) -> Tensor:
        """Apply both."""
        return self.relu(self.conv(x))


class MaskHead(FullPrecision):
    """Convolutions, a transposed convolution that doubles the sides, and a mask for every class.

    The transposed convolution is MindSpore's operator. It is exact, takes torch's weights as they
    are, and is documented for Ascend; a pixel shuffle would transpose six axes.

    Letters: B images, R boxes of each, C channels, P side of their features, K classes.

    Args:
        in_channels: C.
        num_classes: K, without background.
        num_convs: 3x3 convolutions with ReLU.
        channels: of these and of the transposed one.

    Shape:
        (B, R, C, P, P) to logits (B, R, K, 2P, 2P), float32.

    Raises:
        UserError: ``num_convs`` is negative, or ``num_classes`` below 1.
    """

    def __init__(self, in_channels: int, num_classes: int, num_convs: int = 4, channels: int = 256):
        super().__init__()
        check(num_convs >= 0, f"num_convs must not be negative, got {num_convs}.")
        check(num_classes >= 1, f"num_classes must be at least 1, got {num_classes}.")
        self.num_classes = num_classes
        widths = [in_channels, *[channels] * num_convs]
        self.convs = nn.CellList([ConvReLU(widths[i], widths[i + 1]) for i in range(num_convs)])
        self.upsample = nn.Conv2dTranspose(
            widths[-1],
            channels,
            2,
            stride=2,
            pad_mode="valid",
            has_bias=True,
            weight_init=HeNormal(mode="fan_out", nonlinearity="relu"),
            bias_init="zeros",
        )
        self.relu = nn.ReLU()
        self.conv_logits = conv(channels, num_classes, 1, has_bias=True)

    def construct(self, features: Tensor) -> Tensor:
        """Predict; see the class."""
        batch, count, channels, height, width = features.shape
        x = features.reshape((-1, channels, height, width))
        for cell in self.convs:
            x = cell(x)
        x = self.conv_logits(self.relu(self.upsample(x)))
        return x.reshape((batch, count, *x.shape[1:])).astype(ms.float32)

    def of_class(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Choose the map (B, R, S, S) of one class per box.

        Args:
            logits: (B, R, K, S, S).
            labels: (B, R) int32; one out of range is taken as the nearest class.
        """
        batch, count, classes, height, width = logits.shape
        index = ops.clip_by_value(labels.astype(ms.int32).reshape((-1,)), 0, classes - 1)
        index = index + _first_maps(batch * count, classes)
        chosen = take_rows(logits.reshape((1, -1, height * width)), index)
        return chosen.reshape((batch, count, height, width))

    def loss(self, logits: Tensor, labels: Tensor, targets: Tensor, positive: Tensor) -> Tensor:
        """Return the binary cross entropy of the map of each box's own class.

        It is the mean over all pixels of all positives of the batch, and 0 without any.

        Args:
            logits: (B, R, K, S, S), of :meth:`construct`.
            labels: (B, R) int32.
            targets: (B, R, S, S), 0 or 1.
            positive: (B, R) bool, False for the other places.
        """
        chosen = self.of_class(logits, labels)
        inside = positive.reshape((*chosen.shape[:2], 1, 1))
        # The others are replaced before and after: 0 times the slope of an infinite loss is NaN.
        chosen = ops.select(inside, chosen, ops.zeros_like(chosen))
        # Without focus and with equal weights the focal loss is half of the cross entropy.
        entropy = 2 * sigmoid_focal_loss(chosen, targets, 0.5, 0.0)
        inside = inside.astype(ms.float32)
        pixels = chosen.shape[2] * chosen.shape[3]
        return (entropy * inside).sum() / (ops.maximum(inside.sum(), 1) * pixels)


@tensor_constant
def _first_maps(count: int, step: int) -> np.ndarray:
    return (np.arange(count) * step).astype(np.int32)

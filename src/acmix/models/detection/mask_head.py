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
from acmix.ops.linear import project, take_rows
from acmix.ops.losses import binary_cross_entropy
from acmix.parallel.divisor import Divisor


class ConvReLU(nn.Cell):
    """A 3x3 convolution with bias, and ReLU: (N, C_in, P, P) to (N, C, P, P)."""

    def __init__(self, in_channels: int, channels: int):
        super().__init__()
        self.conv = conv(in_channels, channels, 3, padding=1, has_bias=True)
        self.relu = nn.ReLU()

    def construct(self, x: Tensor) -> Tensor:
        """Apply both."""
        return self.relu(self.conv(x))


class DoublingConv(nn.Conv2dTranspose):
    """A transposed 2x2 convolution of stride 2, whose output is left in its four parts.

    Part (u, v) holds the pixels of the rows 2i + u and the columns 2j + v. As the parts do not
    overlap, they are one 1x1 convolution. MindSpore's own operator gives the same numbers, but its
    ONNX form is refused by onnxruntime, and what follows is as well computed on the parts, which
    are put together when there are fewer channels: see :func:`interleave`.

    Shape:
        (N, C_in, H, W) to (N * 4, C, H, W), the parts of each in the order (0, 0), (0, 1), ...
    """

    def __init__(self, in_channels: int, channels: int):
        super().__init__(
            in_channels,
            channels,
            2,
            stride=2,
            pad_mode="valid",
            has_bias=True,
            weight_init=HeNormal(mode="fan_out", nonlinearity="relu"),
            bias_init="zeros",
        )

    def construct(self, x: Tensor) -> Tensor:
        """Convolve."""
        inputs, outputs, _, _ = self.weight.shape
        _, _, height, width = x.shape
        weight = self.weight.transpose(2, 3, 1, 0).reshape((4 * outputs, inputs))
        x = project(x, weight, ops.cat((self.bias,) * 4), "NCHW")
        return x.reshape((-1, outputs, height, width))


def interleave(parts: Tensor) -> Tensor:
    """Put the parts of :class:`DoublingConv` together: (N * 4, C, H, W) to (N, C, 2H, 2W)."""
    _, channels, height, width = parts.shape
    # Columns, then rows: each is a transposition of few axes.
    x = parts.reshape((-1, 2, channels * height * width)).transpose(0, 2, 1)
    x = x.reshape((-1, 2, channels * height, 2 * width)).transpose(0, 2, 1, 3)
    return x.reshape((-1, channels, 2 * height, 2 * width))


class MaskHead(FullPrecision):
    """Convolutions, one that doubles the sides, and a mask for every class.

    Letters: B images, R boxes of each, C channels, P side of their features, S = 2P, K classes.

    Args:
        in_channels: C.
        num_classes: K, without background.
        num_convs: 3x3 convolutions with ReLU.
        channels: of these and of the one that doubles the sides.

    Shape:
        features (B, R, C, P, P) and labels (B, R) int32 to the logits (B, R, S, S) of each box's
        own class, float32. A label out of range is taken as the nearest class.

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
        self.upsample = DoublingConv(widths[-1], channels)
        self.relu, self.divisor = nn.ReLU(), Divisor()
        self.conv_logits = conv(channels, num_classes, 1, has_bias=True)

    def construct(self, features: Tensor, labels: Tensor) -> Tensor:
        """Predict; see the class."""
        batch, count, _, _, _ = features.shape
        parts = self._parts(features)
        _, classes, height, width = parts.shape
        index = ops.clip_by_value(labels.astype(ms.int32).reshape((-1, 1)), 0, classes - 1)
        index = (index + _first_maps(batch * count, classes)).reshape((-1,))
        chosen = take_rows(parts.reshape((1, -1, height * width)), index)
        maps = interleave(chosen.reshape((-1, 1, height, width)))
        return maps.reshape((batch, count, 2 * height, 2 * width)).astype(ms.float32)

    def _parts(self, features: Tensor) -> Tensor:
        """Return the logits (B * R * 4, K, P, P), a quarter of the pixels in each part."""
        _, _, channels, height, width = features.shape
        x = features.reshape((-1, channels, height, width))
        for cell in self.convs:
            x = cell(x)
        return self.conv_logits(self.relu(self.upsample(x)))

    def loss(self, maps: Tensor, targets: Tensor, positive: Tensor) -> Tensor:
        """Return the binary cross entropy, the mean over all pixels of all positives of the batch.

        Without any positive it is 0.

        Args:
            maps: (B, R, S, S), of :meth:`construct` with the labels of the ground truth.
            targets: (B, R, S, S), 0 or 1.
            positive: (B, R) bool, False for the other places.
        """
        inside = positive.reshape((*maps.shape[:2], 1, 1))
        # The others are replaced before: 0 times the slope of an infinite loss is NaN.
        maps = ops.select(inside, maps, ops.zeros_like(maps))
        entropy = binary_cross_entropy(maps, targets)
        inside = inside.astype(ms.float32)
        pixels = maps.shape[2] * maps.shape[3]
        return (entropy * inside).sum() / (self.divisor(inside.sum()) * pixels)


@tensor_constant
def _first_maps(boxes: int, classes: int) -> np.ndarray:
    """Return the number of the first class's map of each part of each box, (boxes, 4)."""
    return (np.arange(boxes * 4) * classes).astype(np.int32).reshape((boxes, 4))

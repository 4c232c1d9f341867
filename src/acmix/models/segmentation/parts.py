"""Parts of the heads: the classifier of pixels."""

from __future__ import annotations

from mindspore import Tensor, nn
from mindspore.common.initializer import Normal

from acmix.layers.drop_path import DropChannels


class PixelClassifier(nn.Cell):
    """Dropout of whole channels, then a 1x1 convolution.

    Shape:
        (B, channels, H, W) to (B, num_classes, H, W).
    """

    def __init__(self, channels: int, num_classes: int, dropout: float):
        super().__init__()
        self.dropout = DropChannels(dropout)
        self.conv_seg = nn.Conv2d(
            channels,
            num_classes,
            1,
            pad_mode="valid",
            has_bias=True,
            weight_init=Normal(0.01),
            bias_init="zeros",
        )

    def construct(self, x: Tensor) -> Tensor:
        """Classify."""
        return self.conv_seg(self.dropout(x))

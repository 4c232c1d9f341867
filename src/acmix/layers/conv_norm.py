"""A convolution with norm and ReLU, the block of dense heads."""

from __future__ import annotations

from mindspore import Tensor, nn

from acmix.errors import check
from acmix.layers.blocks import batch_norm, conv
from acmix.ops.constants import constant


@constant
def _check_values(values: int) -> None:
    check(
        values > 1,
        "A BatchNorm of the head sees a single value per channel, whose variance is unknown, "
        "as heads pool a map to one pixel: train with at least 2 images (data.batch_size).",
    )


class ConvNormReLU(nn.Cell):
    """A convolution that keeps H and W, BatchNorm and ReLU.

    Shape:
        (B, in_channels, H, W) to (B, channels, H, W).

    Raises:
        UserError: in training, where B = H = W = 1.
    """

    fold_norm_into_previous = (("conv", "bn"),)

    def __init__(self, in_channels: int, channels: int, kernel_size: int):
        super().__init__()
        self.conv = conv(in_channels, channels, kernel_size, padding=kernel_size // 2)
        self.bn = batch_norm(channels)
        self.relu = nn.ReLU()

    def construct(self, x: Tensor) -> Tensor:
        """Apply the three."""
        if self.training and not isinstance(self.bn, nn.SyncBatchNorm):
            batch, _, height, width = x.shape
            _check_values(batch * height * width)
        return self.relu(self.bn(self.conv(x)))

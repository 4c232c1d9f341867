"""The convolutions by which detectors predict at every anchor, and their outputs by anchor."""

from __future__ import annotations

from mindspore import Tensor, nn
from mindspore.common.initializer import Normal


def prediction_conv(
    in_channels: int, channels: int, kernel_size: int = 3, bias: float = 0.0
) -> nn.Conv2d:
    """Make a convolution that keeps H and W, with the detectors' initialiser: normal 0.01."""
    return nn.Conv2d(
        in_channels,
        channels,
        kernel_size,
        pad_mode="pad",
        padding=kernel_size // 2,
        has_bias=True,
        weight_init=Normal(0.01),
        bias_init=bias,
    )


def per_anchor(maps: Tensor, size: int) -> Tensor:
    """Turn predictions (B, a * size, H, W) into (B, H * W * a, size), in the order of anchors."""
    _, channels, height, width = maps.shape
    x = maps.reshape((-1, channels, height * width)).transpose(0, 2, 1)
    return x.reshape((-1, height * width * (channels // size), size))

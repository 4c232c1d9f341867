"""Attention augmented convolution.

Bello et al., "Attention Augmented Convolutional Networks", ICCV 2019 (arXiv:1904.09925).
"""

from __future__ import annotations

import numpy as np
from mindspore import Tensor, nn, ops

from acmix.errors import check
from acmix.layers.attention.relative import RelativeAttention
from acmix.layers.blocks import conv
from acmix.layers.inference import absorb_output, rescale_output
from acmix.layers.qkv import FrozenQKV, QKVProjection
from acmix.ops.pooling import halve
from acmix.ops.resample import upsample


class AugmentedConv(nn.Cell):
    """A 3x3 convolution and attention to the whole map, side by side.

    The convolution computes the first channels, the attention the last ones, from the same x. With
    ``halved`` the attention sees x averaged over 3x3 pixels at every second one, and its output is
    stretched bilinearly.

    Args:
        in_channels: channels of x.
        out_channels: of the output.
        key_channels, value_channels: d_k and d_v, of queries and keys, of values and of the
            attention's output; multiples of ``num_heads``.
        num_heads: N.
        map_size: sides of the map that the vectors of relative positions are made for, or its
            height and width.
        stride: of both.
        halved: whether the attention sees a map of half the sides.

    Shape:
        (B, in_channels, H, W) to (B, out_channels, ceil(H / stride), ceil(W / stride)).

    Raises:
        UserError: the convolution is left without channels, or a number is no multiple.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        key_channels: int,
        value_channels: int,
        num_heads: int = 8,
        map_size: int | tuple[int, int] = 14,
        stride: int = 1,
        halved: bool = False,
    ):
        super().__init__()
        check(
            value_channels < out_channels,
            f"value_channels must be below out_channels, got {value_channels} of {out_channels}.",
        )
        self.stride, self.halved = stride, halved
        self.conv = conv(in_channels, out_channels - value_channels, 3, stride, padding=1)
        channels = (key_channels, key_channels, value_channels)
        std = (2 / sum(channels)) ** 0.5  # He's, over fan-out
        self.qkv = QKVProjection(in_channels, channels, "NCHW", False, std, stride)
        self.attention = RelativeAttention(
            value_channels, num_heads, map_size, qk_channels=key_channels
        )
        self.proj = conv(value_channels, value_channels, 1)

    def construct(self, x: Tensor) -> Tensor:
        """Convolve and attend."""
        convolved = self.conv(x)
        if self.halved:
            x = halve(x)
        attended = self.proj(self.attention(*self.qkv(x, x)))
        if self.halved:
            _, _, height, width = convolved.shape
            attended = upsample(attended, 2, height, width)
        return ops.cat((convolved, attended), 1)

    def for_inference(self) -> nn.Cell:
        """Freeze the projection, with the scale of the queries in it."""
        if not isinstance(self.qkv, FrozenQKV):
            self.qkv = self.qkv.freeze()
            rescale_output(self.qkv.q, self.attention.scale)
            self.attention.scale = 1.0
        return self

    def absorb_output(self, scale: np.ndarray, shift: np.ndarray) -> bool:
        """See :mod:`acmix.layers.inference`; the stretching keeps constants."""
        cut = len(self.conv.weight)
        absorb_output(self.conv, scale[:cut], shift[:cut])
        return absorb_output(self.proj, scale[cut:], shift[cut:])

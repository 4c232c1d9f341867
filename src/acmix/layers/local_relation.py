"""The local relation layer of LR-Net, with its projections."""

from __future__ import annotations

import numpy as np
from mindspore import Tensor, nn

from acmix.errors import check
from acmix.layers.attention.relation import LocalRelation
from acmix.layers.blocks import conv, torch_conv
from acmix.layers.inference import absorb_output


class LocalRelationConv(nn.Cell):
    """A local relation layer (Hu et al., ICCV 2019, Eq. 2) in the place of a k x k convolution.

    Each group of channels has one number for a query and one for a key, by 1x1 convolutions; the
    values are x itself, and a 1x1 convolution follows the aggregation.

    Args:
        channels: C.
        kernel_size: k, odd.
        share: channels of a group, a divisor of C.
        stride: step of the output grid.
        similarity: see :class:`LocalRelation <acmix.layers.attention.relation.LocalRelation>`.

    Shape:
        (B, C, H, W) to (B, C, ceil(H / stride), ceil(W / stride)).

    Raises:
        UserError: a number is out of its range.
    """

    def __init__(
        self,
        channels: int,
        kernel_size: int = 7,
        share: int = 8,
        stride: int = 1,
        similarity: str = "squared",
    ):
        super().__init__()
        check(
            share >= 1 and channels % share == 0,
            f"channels must be a multiple of share, got {channels} and {share}.",
        )
        groups = channels // share
        # The logits are squares of these: by He's fan-out they would be 6 share times as large, the
        # softmax would pick one pixel, and gradients in half precision would be mostly noise.
        self.query = torch_conv(channels, groups, 1, stride)
        self.key = torch_conv(channels, groups, 1)
        self.attention = LocalRelation(channels, groups, kernel_size, stride, similarity)
        self.proj = conv(channels, channels, 1)

    def construct(self, x: Tensor) -> Tensor:
        """Aggregate and project."""
        return self.proj(self.attention(self.query(x), self.key(x), x))

    def absorb_output(self, scale: np.ndarray, shift: np.ndarray) -> bool:
        """See :mod:`acmix.layers.inference`."""
        return absorb_output(self.proj, scale, shift)

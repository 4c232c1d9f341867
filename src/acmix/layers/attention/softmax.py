"""The common part of the attention modes with a softmax over the keys."""

from __future__ import annotations

from mindspore import Tensor, ops

from acmix.errors import check
from acmix.layers.attention.base import AttentionMode
from acmix.layers.softmax import Softmax
from acmix.ops.linear import add_to_each
from acmix.utils.target import current_target


class SoftmaxAttention(AttentionMode):
    """Heads, their scale, and the operators from logits to the weighted sum of the values.

    Args:
        dim: C, channels of v.
        num_heads: N, a divisor of C and of ``qk_channels``.
        qk_channels: channels of q and of k; C if None. A head has ``key_dim`` of them, and
            ``head_dim`` of v.
    """

    softmax_over_keys = True

    def __init__(self, dim: int, num_heads: int, qk_channels: int | None = None):
        super().__init__()
        check(
            dim % num_heads == 0,
            f"out_channels must be a multiple of num_heads, got {dim} and {num_heads}.",
        )
        qk_channels = qk_channels or dim
        check(
            qk_channels % num_heads == 0,
            f"qk_channels must be a multiple of num_heads, got {qk_channels} and {num_heads}.",
        )
        self.dim, self.num_heads, self.head_dim = dim, num_heads, dim // num_heads
        self.key_dim = qk_channels // num_heads
        self.scale = self.key_dim**-0.5
        self.fast_broadcast = current_target().fast_broadcast
        self.logits = ops.BatchMatMul(transpose_b=True)
        self.softmax = Softmax()
        self.weighted_sum = ops.BatchMatMul()

    def add(self, x: Tensor, term: Tensor) -> Tensor:
        """Add a mask, a bias or positions to every element of a batch."""
        return add_to_each(x, term, as_bias=not self.fast_broadcast)

"""Attention over sequences whose channels come first, as those of maps do."""

from __future__ import annotations

from mindspore import Tensor, ops

from acmix.layers.attention.softmax import SoftmaxAttention
from acmix.ops.linear import rescale
from acmix.utils.cells import Shape


class ChannelFirstAttention(SoftmaxAttention):
    r"""Multi-head attention of maps that are flattened and not transposed, without a projection.

    .. math:: o = v\, \mathrm{softmax}(q^\top k\, s)^\top

    Args:
        dim: C, channels of q, k and v.
        num_heads: N, a divisor of C.
        scale: s; 1 / sqrt(d) if None.

    Shape:
        q: (B, C, L). k, v: (B, C, M). Output: (B, C, L), channel ``n * d + g`` for head n.
    """

    def __init__(self, dim: int, num_heads: int, scale: float | None = None):
        super().__init__(dim, num_heads)
        if scale is not None:
            self.scale = scale
        self.logits = ops.BatchMatMul(transpose_a=True)
        self.weighted_sum = ops.BatchMatMul(transpose_b=True)

    def construct(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend; see the class."""
        logits = self.logits(self._heads(rescale(q, self.scale)), self._heads(k))
        attention = self.softmax(logits).astype(v.dtype)
        return self.weighted_sum(self._heads(v), attention).reshape((-1, self.dim, q.shape[2]))

    def _heads(self, x: Tensor) -> Tensor:
        return x.reshape((-1, self.head_dim, x.shape[2]))

    def macs(self, q_shape: Shape, k_shape: Shape, v_shape: Shape) -> dict[str, int]:
        """Multiply-adds of q k and a v: 2 C per pair."""
        return {"attention": 2 * q_shape[0] * q_shape[2] * k_shape[2] * self.dim}

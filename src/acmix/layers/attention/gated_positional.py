"""Gated positional self-attention (ConViT: d'Ascoli et al., ICML 2021)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from mindspore import Parameter, Tensor, ops
from mindspore import dtype as mstype

from acmix.layers.attention.base import register_attention
from acmix.layers.attention.global_ import GlobalAttention
from acmix.ops.constants import tensor_constant
from acmix.ops.linear import rescale
from acmix.utils.cells import Shape


def line_relations(length: int, axis: int) -> np.ndarray:
    """Return the share of one axis in r of a pair on a line of pixels: (3, length^2).

    Column i * length + j is (d, 0, d^2) for axis 0, (0, d, d^2) for axis 1, d = j - i.
    """
    distance = np.arange(length)[None] - np.arange(length)[:, None]
    relations = np.zeros((3, length**2), np.float32)
    relations[axis], relations[2] = distance.reshape(-1), distance.reshape(-1) ** 2
    return relations


_line_relations = tensor_constant(line_relations)


def local_start(num_heads: int) -> np.ndarray:
    """Return the initial weights of the positions (N, 3): each head sees one offset most.

    With K = floor(sqrt(N)), head i + K j sees the pixel at (j, i) from (K - 1) / 2: together the
    first K^2 heads see what a K x K convolution does. Heads beyond K^2 start at zero.
    """
    side = math.isqrt(num_heads)
    weight = np.zeros((num_heads, 3), np.float32)
    for head in range(side**2):
        i, j = head % side - (side - 1) / 2, head // side - (side - 1) / 2
        weight[head] = 2 * j, 2 * i, -1
    return weight


@register_attention("gated_positional")
class GatedPositionalAttention(GlobalAttention):
    r"""Global attention that a gate for each head mixes with attention by position alone.

    .. math:: A = (1 - \sigma(\lambda)) \mathrm{softmax}(q k^\top / \sqrt d)
              + \sigma(\lambda) \mathrm{softmax}(w^\top r)

    (Eq. 7 of the paper), r being dx, dy and dx^2 + dy^2 from a query to a key, in pixels. The
    logits of the positions are a sum over the two axes, so that their softmax is a product of a
    softmax along each: it is applied to v a line at a time, and never written for all pairs. It is
    the same for all images, and float32, as r grows with the square of the map's side.

    Args:
        dim: C, channels of q, k and v.
        num_heads: N, a divisor of C; for a square see :func:`local_start`.

    Shape:
        q, k, v and output: (B, H, W, C).
    """

    def __init__(self, dim: int, num_heads: int):
        super().__init__(dim, num_heads)
        weight, ones = local_start(num_heads), np.ones(num_heads, np.float32)
        self.position_weight: Any = Parameter(Tensor(weight), name="position_weight")
        # Cancels in the softmax: not used and not trained. Released checkpoints hold it.
        self.position_bias: Any = Parameter(
            Tensor(0 * ones), name="position_bias", requires_grad=False
        )
        self.gating: Any = Parameter(Tensor(ones), name="gating")
        self.product = ops.MatMul()

    def construct(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend; see the class."""
        _, height, width, _ = q.shape
        q, k = self._heads(self.sequence(rescale(q, self.scale))), self._heads(self.sequence(k))
        v = self._heads(self.sequence(v))
        attention = self.softmax(self.logits(q, k)).astype(v.dtype)
        by_content = self.weighted_sum(attention, v).reshape(
            (-1, self.num_heads, q.shape[1] * self.head_dim)
        )
        closed = 1 - self._gate()
        out = by_content * closed.astype(v.dtype) + self._positional(v, height, width)
        out = self.joined(out, height * width)
        return out.reshape((-1, height, width, self.dim))

    def _gate(self) -> Tensor:
        """Return the share of the positions of each head, (N, 1)."""
        return ops.sigmoid(self.gating.astype(mstype.float32)).reshape((self.num_heads, 1))

    def _positional(self, v: Tensor, height: int, width: int) -> Tensor:
        """Return the gate's share of attention by position, (B, N, L * d)."""
        rows = self._along(height, 1) * self._gate().reshape((self.num_heads, 1, 1))
        columns = self._along(width, 0).reshape((self.num_heads, 1, width, width))
        v = v.reshape((-1, self.num_heads, height, width * self.head_dim))
        v = ops.matmul(rows.astype(v.dtype), v)
        v = v.reshape((-1, self.num_heads, height, width, self.head_dim))
        v = ops.matmul(columns.astype(v.dtype), v)
        return v.reshape((-1, self.num_heads, height * width * self.head_dim))

    def _along(self, length: int, axis: int) -> Tensor:
        """Return the attention of every pixel of a line to every other: (N, length, length)."""
        weight = self.position_weight.astype(mstype.float32)
        logits = self.product(weight, _line_relations(length, axis))
        attention = self.softmax(logits.reshape((self.num_heads * length, length)))
        return attention.reshape((self.num_heads, length, length))

    def macs(self, q_shape: Shape, k_shape: Shape, v_shape: Shape) -> dict[str, int]:
        """Multiply-adds of the definition: q k and a v, and w r once for all images."""
        counts = super().macs(q_shape, k_shape, v_shape)
        pairs = (q_shape[1] * q_shape[2]) ** 2
        return {**counts, "position": 3 * self.num_heads * pairs}

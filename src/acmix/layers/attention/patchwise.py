"""Patchwise attention: weights computed from the whole neighbourhood (Eq. 18; SAN, CVPR 2020)."""

from __future__ import annotations

from typing import Any

import numpy as np
from mindspore import Tensor, nn, ops

from acmix.errors import check
from acmix.layers.attention.base import AttentionMode, check_neighbourhood, register_attention
from acmix.layers.blocks import batch_norm, torch_conv
from acmix.ops.resample import reflect_pad
from acmix.ops.unfold import shifted_columns, unfold, unfold_rows
from acmix.utils.cells import Shape
from acmix.utils.target import current_target


class SharedProduct(nn.Cell):
    """Multiply several planes by one: x (B, s, M) and weight (B, 1, M) to (B, s, M).

    The gradient is written out because it sums over the planes as a product with ones: on CPU that
    takes a twentieth of the ReduceSum which automatic differentiation puts there. The weights are
    copied there for every plane: a broadcast takes longer, and memory, see ``docs/performance.md``.
    """

    def __init__(self, planes: int):
        super().__init__()
        self.ones = Tensor(np.ones((1, planes), np.float32))
        self.copies = 1 if current_target().fast_broadcast else planes

    def construct(self, x: Tensor, weight: Tensor) -> Tensor:
        """Multiply."""
        return x * self._spread(weight)

    def bprop(
        self, x: Tensor, weight: Tensor, out: Tensor, gradient: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the gradients by both inputs for that by the output."""
        by_weight = ops.matmul(self.ones.astype(x.dtype), gradient * x)
        return gradient * self._spread(weight), by_weight

    def _spread(self, weight: Tensor) -> Tensor:
        return weight if self.copies == 1 else ops.cat((weight,) * self.copies, 1)


@register_attention("patchwise")
class PatchwiseAttention(AttentionMode):
    r"""Weighted sum over a reflection-padded neighbourhood, the weights from an MLP on q and k.

    .. math:: o_i = \sum_{j \in N(i)} w_{ij} \odot v_j, \qquad
              w_i = \phi\big([q_i, [k_j]_{j \in N(i)}]\big)

    :math:`\phi` is BatchNorm, ReLU, linear, BatchNorm, ReLU, linear, from r (k_a^2 + 1) to C / s to
    k_a^2 C / s channels: one weight per pixel of the neighbourhood and per group of s channels. No
    softmax and no scaling. Channel c of v takes the weights ``c mod (C / s)``, as in the original.

    Each of the k_a^2 neighbours has statistics of its own in the first BatchNorm, so that k is
    unfolded as the original does; v, which is wider, is only shifted.

    Args:
        dim: C, channels of v.
        num_heads: unused; ``share_planes`` decides which channels share a weight.
        qk_channels: r, channels of q and of k; C if None.
        kernel_size: k_a, odd.
        share_planes: s, channels that share a weight, a divisor of C.

    Shape:
        q, k: (B, r, H, W), any H and W of at least 1. v and output: (B, C, H, W).
    """

    fold_norm_into_previous = (("fc1", "bn2"),)

    def __init__(
        self,
        dim: int,
        num_heads: int = 1,
        qk_channels: int | None = None,
        kernel_size: int = 7,
        share_planes: int = 8,
    ):
        super().__init__()
        check_neighbourhood(kernel_size)
        check(
            share_planes >= 1 and dim % share_planes == 0,
            f"share_planes must divide out_channels, got {share_planes} and {dim}.",
        )
        self.dim, self.kernel_size, self.share_planes = dim, kernel_size, share_planes
        self.weight_channels = dim // share_planes
        relation = (qk_channels or dim) * (kernel_size**2 + 1)
        self.bn1 = batch_norm(relation)
        self.fc1 = torch_conv(relation, self.weight_channels, 1, has_bias=False)
        self.bn2 = batch_norm(self.weight_channels)
        self.fc2 = torch_conv(self.weight_channels, kernel_size**2 * self.weight_channels, 1)
        self.relu = nn.ReLU()
        self.product = SharedProduct(share_planes)
        self.strided = not current_target().slice_gradient

    def construct(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend; see the class."""
        padded = reflect_pad(k, self.kernel_size // 2)
        neighbours = unfold(padded, self.kernel_size, self.strided)
        relation = ops.cat((q, neighbours), 1)
        weights = self.fc1(self.relu(self.bn1(relation)))
        weights = self.fc2(self.relu(self.bn2(weights)))
        return self._aggregate(weights, v)

    def _aggregate(self, weights: Tensor, v: Tensor) -> Tensor:
        """Add the shifted v, each times its weights (B, C / s * k_a^2, H, W)."""
        _, _, height, width = v.shape
        size, pixels = self.kernel_size, height * width
        shared = self.weight_channels * size
        # One weight for every column of the neighbourhood, all rows of it side by side.
        weights = weights.reshape((-1, shared, size, pixels))
        by_column = ops.split(weights, 1, 2)
        rows = unfold_rows(reflect_pad(v, size // 2), size, self.strided)
        columns = shifted_columns(rows, size, self.strided)
        total: Any = None
        for index in range(size):
            column = columns[index].reshape((-1, self.share_planes, shared * pixels))
            weighted = self.product(column, by_column[index].reshape((-1, 1, shared * pixels)))
            total = weighted if total is None else total + weighted
        # Added one by one: on CPU a ReduceSum takes as long as ten additions.
        out: Any = None
        for row in ops.split(total.reshape((-1, self.dim, size, pixels)), 1, 2):
            out = row if out is None else out + row
        return out.reshape((-1, self.dim, height, width))

    def macs(self, q_shape: Shape, k_shape: Shape, v_shape: Shape) -> dict[str, int]:
        """Multiply-adds of the aggregation, k_a^2 C per pixel; those of the MLP are its layers'."""
        batch, channels, height, width = v_shape
        return {"attention": batch * self.kernel_size**2 * channels * height * width}

"""The attention layers of tokens-to-token (T2T-ViT: Yuan et al., ICCV 2021), on maps."""

from __future__ import annotations

from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops

from acmix.layers.attention.channel_first import ChannelFirstAttention
from acmix.layers.blocks import patch_conv
from acmix.layers.drop_path import Dropout
from acmix.layers.full_precision import FullPrecision
from acmix.layers.gelu import GELU
from acmix.layers.patch_linear import PatchLinear
from acmix.ops.constants import column_of_ones, tensor_constant
from acmix.utils.cells import Shape, kept_arguments
from acmix.utils.target import current_target


class PatchAttention(nn.Cell):
    """Project patches to values, queries and keys, attend, and apply an MLP.

    The skip around the attention is the values, as a patch is wider: ``t = v + proj(attention)``,
    then ``t + mlp(LN t)``. The MLP keeps the width.

    Args:
        in_channels: C_in of the maps that the patches are taken from.
        dim: C.
        kernel_size, stride, padding: of the patches.
        dropout: behind the output projection and the MLP, in training.

    Shape:
        (B, C_in, H, W) to (B, C, H', W').
    """

    has_bias = True  # of the projection

    def __init__(
        self,
        in_channels: int,
        dim: int,
        kernel_size: int,
        stride: int,
        padding: int,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.dim, self.width = dim, in_channels * kernel_size**2
        self.embed = PatchLinear(in_channels, 3 * dim, kernel_size, stride, padding, self.has_bias)
        self.proj = patch_conv(dim, dim)
        self.mlp_in = PatchLinear(dim, dim)
        self.gelu = GELU()
        self.mlp_out = patch_conv(dim, dim)
        self.dropout, self.dropout2 = Dropout(dropout), Dropout(dropout)
        self.prepare()

    def extend_repr(self) -> str:
        """Return what ``print`` shows of the Cell beside its parts."""
        return kept_arguments(self)

    def prepare(self) -> None:
        """Make what the attention needs."""

    def transform(self, values: Tensor, attended: Tensor, height: int, width: int) -> Tensor:
        """Apply what follows the attention: (B, C, L) twice to (B, C, H', W')."""
        size = (-1, self.dim, height, width)
        out = self.dropout(self.proj(attended.reshape(size)))
        x = values.reshape(size) + out.astype(values.dtype)
        out = self.dropout2(self.mlp_out(self.gelu(self.mlp_in(x))))
        return x + out.astype(x.dtype)


class PatchSoftmaxAttention(PatchAttention):
    """Attention with one head of every patch to all; its scale is that of the patch's width."""

    has_bias = False

    def prepare(self) -> None:
        """Make the attention."""
        self.attention = ChannelFirstAttention(self.dim, 1, self.width**-0.5)

    def construct(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        x = self.embed(x)
        _, _, height, width = x.shape
        q, k, v = ops.split(x.reshape((-1, 3 * self.dim, height * width)), self.dim, 1)
        return self.transform(v, self.attention(q, k, v), height, width)


class PatchPerformer(PatchAttention, FullPrecision):
    r"""Attention that is linear in the number of patches, with positive random features.

    .. math:: o = \frac{\phi(q)\,(\phi(k)^\top v)}{\phi(q) \sum_j \phi(k_j) + 10^{-8}}, \qquad
              \phi(z) = e^{w z - |z|^2 / 2} / \sqrt m

    Choromanski et al., "Rethinking Attention with Performers", ICLR 2021, with m = C / 2 features
    that are drawn once and not trained. The features, up to e^(m / 2), are float32 under mixed
    precision, and all that is made of them; the projections around them are not.
    """

    def prepare(self) -> None:
        """Draw the features."""
        self.features = self.dim // 2
        self.fast_broadcast = current_target().fast_broadcast
        self.w: Any = Parameter(
            Tensor(_orthogonal_rows(self.features, self.dim)), name="w", requires_grad=False
        )
        self.product = ops.BatchMatMul()
        self.by_columns = ops.BatchMatMul(transpose_b=True)
        self.by_rows = ops.BatchMatMul(transpose_a=True)

    def construct(self, x: Tensor) -> Tensor:
        """Apply the layer."""
        x = self.embed(x)
        _, _, height, width = x.shape
        x = x.reshape((-1, 3 * self.dim, height * width)).astype(ms.float32)
        k, q, v = ops.split(x, self.dim, 1)
        q, k = self._features(q), self._features(k)
        sums = ops.matmul(k, column_of_ones(height * width))  # (B, m, 1)
        scale = 1 / (self.by_rows(sums, q) + 1e-8)
        if not self.fast_broadcast:  # a product spreads it faster
            scale = ops.matmul(column_of_ones(self.dim), scale)
        attended = self.product(self.by_columns(v, k), q) * scale
        return self.transform(v, attended, height, width)

    def _features(self, z: Tensor) -> Tensor:
        """Return the features (B, m, L) of vectors (B, C, L)."""
        halves = _halves(self.features, self.dim)
        exponent = ops.matmul(self.w, z) + ops.matmul(halves, z * z)
        return ops.exp(exponent) * self.features**-0.5

    def macs(self, x_shape: Shape) -> dict[str, int]:
        """Multiply-adds of the features, of their products with v and of the sums."""
        return {"attention": self.embed.count_patches(x_shape) * self.features * (4 * self.dim + 1)}


def _orthogonal_rows(rows: int, columns: int) -> np.ndarray:
    """Return orthogonal rows of length sqrt(rows), drawn by NumPy's seed."""
    numbers = np.random.standard_normal((columns, rows))
    basis, triangle = np.linalg.qr(numbers)
    return (basis * np.sign(np.diag(triangle)) * rows**0.5).T.astype(np.float32)


@tensor_constant
def _halves(rows: int, columns: int) -> np.ndarray:
    return np.full((rows, columns), -0.5, np.float32)

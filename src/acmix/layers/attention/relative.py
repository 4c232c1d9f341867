"""Global attention with 2-D relative positions.

Bello et al., "Attention Augmented Convolutional Networks", ICCV 2019, where keys have other
channels than values; BoTNet: Srinivas et al., "Bottleneck Transformers for Visual Recognition",
CVPR 2021.
"""

from __future__ import annotations

import numpy as np
from mindspore import Parameter, Tensor, ops
from mindspore import dtype as mstype
from mindspore.common.initializer import Normal, initializer

from acmix.errors import check
from acmix.layers.attention.base import register_attention
from acmix.layers.attention.softmax import SoftmaxAttention
from acmix.ops.constants import tensor_constant
from acmix.ops.linear import rescale
from acmix.ops.pooling import average_pool
from acmix.ops.resample import bilinear_matrix
from acmix.utils.cells import Shape


def relative_rows(length: int, learned: int) -> np.ndarray:
    """Return the matrix that looks up a table of distances for every pair on a line of pixels.

    The table has a row for each distance ``1 - learned`` to ``learned - 1``. On a line of another
    length it is stretched, so that the farthest pixels have the same row on every line.

    Args:
        length: pixels of the line.
        learned: pixels of the line that the table is made for.

    Returns:
        (length * length, 2 learned - 1); row ``i * length + j`` belongs to j seen from i.
    """
    rows, own = 2 * length - 1, 2 * learned - 1
    stretched = bilinear_matrix(own, rows, own / rows)
    distance = np.arange(length)[None] - np.arange(length)[:, None] + length - 1
    return stretched[distance.reshape(-1)]


_relative_rows = tensor_constant(relative_rows)


@register_attention("relative")
class RelativeAttention(SoftmaxAttention):
    r"""Multi-head attention of every pixel to the whole map, aware of relative positions.

    .. math:: A_{ij} = \mathrm{softmax}_j\big(q_i^\top
              (k_j + r^y_{y_j - y_i} + r^x_{x_j - x_i}) / \sqrt{d_k}\big)

    with learned vectors by vertical and by horizontal distance, shared by the heads. There is no
    output projection. With a stride the output is averaged over stride x stride pixels.

    The original's vectors are made for one size of map. Here they are made for ``map_size`` pixels,
    where it is the original's function, and stretched linearly to any other size.

    Args:
        dim: C, channels of v.
        num_heads: N, a divisor of C and of ``qk_channels``.
        map_size: sides of the map that the vectors are made for, or its height and width.
        stride: of the pooling.
        qk_channels: N d_k, channels of q and of k; C if None.

    Shape:
        q, k: (B, N d_k, H, W). v: (B, C, H, W).
        Output: (B, C, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        map_size: int | tuple[int, int] = 14,
        stride: int = 1,
        qk_channels: int | None = None,
    ):
        super().__init__(dim, num_heads, qk_channels)
        sizes = (map_size, map_size) if isinstance(map_size, int) else tuple(map_size)
        check(min(sizes) >= 1, f"map_size must be at least 1, got {map_size}.")
        check(stride >= 1, f"stride must be at least 1, got {stride}.")
        self.map_size, self.stride = sizes, stride
        init = Normal(self.scale)
        self.relative_height, self.relative_width = (
            Parameter(initializer(init, (2 * size - 1, self.key_dim)), name=name)
            for size, name in zip(sizes, ("relative_height", "relative_width"), strict=True)
        )

    def no_weight_decay(self) -> set[str]:
        """Name the parameters that must not decay: the vectors of relative positions."""
        return {"relative_height", "relative_width"}

    def construct(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend; see the class."""
        _, _, height, width = q.shape
        pixels = height * width
        keys = (-1, self.key_dim, pixels)
        q = rescale(q.reshape(keys), self.scale).transpose(0, 2, 1)
        logits = ops.matmul(q, k.reshape(keys)).reshape((-1, height, width, height, width))
        # A product of q with the vectors of its own row, and of its own column, not of every pair.
        grid = q.reshape((-1, height, width, self.key_dim))
        for_rows = self._vectors(self.relative_height, height, self.map_size[0])
        for_columns = self._vectors(self.relative_width, width, self.map_size[1])
        by_row = ops.matmul(grid, for_rows.astype(q.dtype))
        by_column = ops.matmul(grid.transpose(0, 2, 1, 3), for_columns.astype(q.dtype))
        logits = logits + by_row.reshape((-1, height, width, height, 1))
        logits = logits + by_column.transpose(0, 2, 1, 3).reshape((-1, height, width, 1, width))
        logits = logits.reshape((-1, pixels, pixels))
        attention = self.softmax(logits).astype(v.dtype)
        out = ops.matmul(v.reshape((-1, self.head_dim, pixels)), attention.transpose(0, 2, 1))
        return average_pool(out.reshape((-1, self.dim, height, width)), self.stride)

    def _vectors(self, table: Tensor, length: int, learned: int) -> Tensor:
        """Return the vectors for every pair on a line of pixels, (length, d_k, length)."""
        rows = _relative_rows(length, learned)
        vectors = ops.matmul(rows, table.astype(mstype.float32))
        return vectors.reshape((length, length, self.key_dim)).transpose(0, 2, 1)

    def macs(self, q_shape: Shape, k_shape: Shape, v_shape: Shape) -> dict[str, int]:
        """Multiply-adds of q k and a v per pair of pixels, and of q with the vectors."""
        batch, channels, height, width = q_shape
        pixels = height * width
        relative = batch * pixels * (height + width) * channels
        return {"attention": batch * pixels**2 * (channels + self.dim) + relative}

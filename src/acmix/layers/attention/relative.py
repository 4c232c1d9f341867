"""Global attention with 2-D relative positions (BoTNet: Srinivas et al., CVPR 2021)."""

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
              (k_j + r^y_{y_j - y_i} + r^x_{x_j - x_i}) / \sqrt d\big)

    with learned vectors by vertical and by horizontal distance, shared by the heads. There is no
    output projection. With a stride the output is averaged over stride x stride pixels.

    The original's vectors are made for one size of map. Here they are made for ``map_size`` pixels,
    where it is the original's function, and stretched linearly to any other size.

    Args:
        dim: C, channels of q, k and v.
        num_heads: N, a divisor of C.
        map_size: sides of the map that the vectors are made for.
        stride: of the pooling.

    Shape:
        q, k, v: (B, C, H, W). Output: (B, C, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(self, dim: int, num_heads: int, map_size: int = 14, stride: int = 1):
        super().__init__(dim, num_heads)
        check(map_size >= 1, f"map_size must be at least 1, got {map_size}.")
        check(stride >= 1, f"stride must be at least 1, got {stride}.")
        self.map_size, self.stride = map_size, stride
        init, shape = Normal(self.scale), (2 * map_size - 1, self.head_dim)
        self.relative_height = Parameter(initializer(init, shape), name="relative_height")
        self.relative_width = Parameter(initializer(init, shape), name="relative_width")

    def no_weight_decay(self) -> set[str]:
        """Name the parameters that must not decay: the vectors of relative positions."""
        return {"relative_height", "relative_width"}

    def construct(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend; see the class."""
        _, _, height, width = q.shape
        pixels = height * width
        heads = (-1, self.head_dim, pixels)
        q = rescale(q.reshape(heads), self.scale).transpose(0, 2, 1)
        logits = ops.matmul(q, k.reshape(heads)).reshape((-1, height, width, height, width))
        # A product of q with the vectors of its own row, and of its own column, not of every pair.
        grid = q.reshape((-1, height, width, self.head_dim))
        by_row = ops.matmul(grid, self._vectors(self.relative_height, height).astype(q.dtype))
        by_column = ops.matmul(
            grid.transpose(0, 2, 1, 3), self._vectors(self.relative_width, width).astype(q.dtype)
        )
        logits = logits + by_row.reshape((-1, height, width, height, 1))
        logits = logits + by_column.transpose(0, 2, 1, 3).reshape((-1, height, width, 1, width))
        logits = logits.reshape((-1, pixels, pixels))
        attention = self.softmax(logits).astype(v.dtype)
        out = ops.matmul(v.reshape(heads), attention.transpose(0, 2, 1))
        return average_pool(out.reshape((-1, self.dim, height, width)), self.stride)

    def _vectors(self, table: Tensor, length: int) -> Tensor:
        """Return the vectors for every pair on a line of pixels, (length, d, length)."""
        rows = _relative_rows(length, self.map_size)
        vectors = ops.matmul(rows, table.astype(mstype.float32))
        return vectors.reshape((length, length, self.head_dim)).transpose(0, 2, 1)

    def macs(self, q_shape: Shape, k_shape: Shape, v_shape: Shape) -> dict[str, int]:
        """Multiply-adds of q k and a v, 2 C per pair of pixels, and of q with the vectors."""
        batch, _, height, width = q_shape
        pixels = height * width
        relative = batch * pixels * (height + width) * self.dim
        return {"attention": 2 * batch * pixels**2 * self.dim + relative}

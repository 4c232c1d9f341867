"""Stand-alone self-attention over a neighbourhood with learned relative positions (SASA).

Ramachandran et al., "Stand-Alone Self-Attention in Vision Models", NeurIPS 2019 (arXiv:1906.05909).
"""

from __future__ import annotations

import numpy as np
from mindspore import Parameter, Tensor, ops
from mindspore import dtype as mstype
from mindspore.common.initializer import Normal, initializer

from acmix.errors import check
from acmix.layers.attention.base import check_neighbourhood, register_attention
from acmix.layers.attention.softmax import SoftmaxAttention
from acmix.layers.rearrange import Rearrange
from acmix.ops import halo
from acmix.ops.constants import constant, tensor_constant
from acmix.ops.linear import project, take_rows, to_maps, to_tokens
from acmix.ops.padding import lowest_pad_rows, zero_pad
from acmix.ops.pooling import average_pool
from acmix.utils.cells import Shape

_query_rows = tensor_constant(halo.query_rows)
_key_rows = tensor_constant(halo.key_rows)
_output_rows = tensor_constant(halo.output_rows)
_axis_choice = tensor_constant(halo.axis_choice)


@constant
def _facts(*plan: int) -> tuple[int, int, int, int]:
    """Return rows and columns of a block's queries, and of its keys."""
    found = halo.padded_plan(*plan)
    return *found.block, *found.halo


@tensor_constant
def _same_head(num_heads: int) -> np.ndarray:
    return np.eye(num_heads, dtype=np.float32).reshape(num_heads, 1, num_heads, 1)


@register_attention("standalone")
class StandaloneAttention(SoftmaxAttention):
    r"""Multi-head attention over a zero-padded k_a x k_a neighbourhood.

    .. math:: o_i = \sum_{j \in N(i)} \mathrm{softmax}_j
              \big(q_i^\top k_j + q_i^\top [r^y_{y_j - y_i}, r^x_{x_j - x_i}]\big)\, v_j

    Half of a head's channels see a learned vector of the vertical offset, half one of the
    horizontal offset, and each head has its own. There is no scale. Beyond the border keys and
    values are zero and take part in the softmax. With a stride the output is averaged over stride x
    stride pixels.

    The keys of a block of queries are its halo, see :mod:`acmix.ops.halo`. The products of a query
    with the vectors are moved to the place of its own row, and column, in the halo; one product
    with a constant matrix adds a row's and a column's term for every key.

    Args:
        dim: C, channels of q, k and v.
        num_heads: N; C is a multiple of 2 N.
        kernel_size: k_a, odd.
        stride: of the pooling.

    Shape:
        q, k, v: (B, C, H, W), any H and W of at least 1.
        Output: (B, C, ceil(H / stride), ceil(W / stride)), channel ``n * d + g`` for head n.
    """

    # Zeros beyond the border take part: a constant added to all keys or values does not reach them.
    softmax_over_keys = False

    def __init__(self, dim: int, num_heads: int, kernel_size: int = 7, stride: int = 1):
        super().__init__(dim, num_heads)
        check(
            self.head_dim % 2 == 0,
            f"out_channels must be a multiple of 2 x num_heads, got {dim} and {num_heads}.",
        )
        check_neighbourhood(kernel_size, stride)
        self.kernel_size, self.stride, self.scale = kernel_size, stride, 1.0
        self.rearrange = Rearrange()
        self.product = ops.MatMul()
        init, shape = Normal(self.head_dim**-0.5), (num_heads, kernel_size, self.head_dim // 2)
        self.relative_rows = Parameter(initializer(init, shape), name="relative_rows")
        self.relative_columns = Parameter(initializer(init, shape), name="relative_columns")

    def no_weight_decay(self) -> set[str]:
        """Name the parameters that must not decay: the vectors of relative positions."""
        return {"relative_rows", "relative_columns"}

    def construct(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend; see the class."""
        _, _, height, width = q.shape
        plan = (height, width, self.kernel_size, 1, self.head_dim)
        rows, columns, key_rows, key_columns = _facts(*plan)
        queries, keys = rows * columns, key_rows * key_columns
        products = project(q, self._vectors().astype(q.dtype), None, "NCHW")
        index, back = _query_rows(self.num_heads, *plan), _output_rows(self.num_heads, *plan)
        positions = self._positions(self._take_queries(products, index, back), plan)
        q = self._take_queries(q, index, back).reshape((-1, queries, self.head_dim))
        k, v = self._take_keys(k, plan, keys), self._take_keys(v, plan, keys)
        logits = self.logits(q, k).astype(mstype.float32) + positions.reshape((-1, queries, keys))
        out = self.weighted_sum(self.softmax(logits).astype(v.dtype), v)
        out = take_rows(out.reshape((-1, index.shape[0], self.head_dim)), back)
        out = to_maps(out.reshape((-1, height, width, self.dim)))
        return average_pool(out, self.stride)

    def _vectors(self) -> Tensor:
        """Return the weight (2 k N, C) of a 1x1 convolution that multiplies q with all vectors."""
        nothing = self.relative_rows * 0.0
        of_rows = ops.cat((self.relative_rows, nothing), 2)
        of_columns = ops.cat((nothing, self.relative_columns), 2)
        vectors = ops.cat((of_rows, of_columns), 1)
        count = 2 * self.kernel_size
        vectors = vectors.reshape((self.num_heads, count, 1, self.head_dim))
        weight = vectors * _same_head(self.num_heads)
        return weight.reshape((self.num_heads * count, self.dim))

    def _take_queries(self, x: Tensor, index: Tensor, back: Tensor) -> Tensor:
        """Arrange maps (B, N d, H, W) as the queries of the blocks, (B, blocks * N * M, d)."""
        _, channels, height, width = x.shape
        x = to_tokens(x).reshape((-1, height * width * self.num_heads, channels // self.num_heads))
        return self.rearrange(x, index, back)

    def _take_keys(self, x: Tensor, plan: tuple[int, ...], count: int) -> Tensor:
        """Pad (B, C, H, W) by zeros and take the keys of the blocks: (B * blocks * N, keys, d)."""
        x = zero_pad(x, *(self.kernel_size // 2,) * 4)
        rows = (-1, x.shape[2] * x.shape[3] * self.num_heads, self.head_dim)
        x = take_rows(to_tokens(x).reshape(rows), _key_rows(self.num_heads, *plan))
        return x.reshape((-1, count, self.head_dim))

    def _positions(self, products: Tensor, plan: tuple[int, ...]) -> Tensor:
        """Return the terms of each query for all keys, -1e4 and less outside the neighbourhood.

        Args:
            products: (B, blocks * N * M, 2 k), of the queries with the vectors of the offsets.
            plan: see :mod:`acmix.ops.halo`.
        """
        rows, columns, key_rows, key_columns = _facts(*plan)
        size = self.kernel_size
        of_rows, of_columns = ops.split(products.astype(mstype.float32), size, 2)
        of_rows = of_rows.reshape((-1, rows, columns, size)).transpose(0, 2, 1, 3)
        of_rows = _moved(of_rows.reshape((-1, size)), rows)
        of_rows = of_rows.reshape((-1, columns, rows, key_rows)).transpose(0, 2, 1, 3)
        of_columns = _moved(of_columns.reshape((-1, size)), columns)
        terms = (of_rows.reshape((-1, key_rows)), of_columns.reshape((-1, key_columns)))
        return self.product(ops.cat(terms, 1), _axis_choice(*plan))

    def macs(self, q_shape: Shape, k_shape: Shape, v_shape: Shape) -> dict[str, int]:
        """Multiply-adds of q k and a v, 2 k_a^2 C per pixel, and of q with the vectors, k_a C."""
        batch, _, height, width = q_shape
        per_pixel = (2 * self.kernel_size**2 + self.kernel_size) * self.dim
        return {"attention": batch * height * width * per_pixel}


def _moved(x: Tensor, count: int) -> Tensor:
    """Move line i of every ``count`` lines by i to the right: (R, k) to (R, k + count - 1).

    What is left free is -1e4. Lines longer by one, read as lines of the right length, are moved by
    one more each.
    """
    size = x.shape[1]
    length = size + count - 1
    if count == 1:
        return x
    x = lowest_pad_rows(x, count).reshape((-1, count * (length + 1)))
    return x[:, : count * length].reshape((-1, length))

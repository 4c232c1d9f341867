"""Local attention: each pixel attends to its k_a x k_a neighbourhood (Eq. 9-12, 21)."""

from __future__ import annotations

from typing import Any

import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from mindspore import dtype as mstype
from mindspore.common.initializer import Uniform, initializer

from acmix.errors import check, suggest
from acmix.layers.attention.base import check_neighbourhood, register_attention
from acmix.layers.attention.softmax import SoftmaxAttention
from acmix.layers.rearrange import Rearrange
from acmix.ops.constants import constant, tensor_constant
from acmix.ops.linear import take_rows, transposed
from acmix.ops.neighbourhood import neighbourhood_plan
from acmix.utils.cells import Shape
from acmix.utils.parameters import forget
from acmix.utils.target import current_target

IMPLEMENTATIONS = ("auto", "halo", "whole")
_SHORT = 32  # of a side of matrices that are transposed by a product
_MOST_CHUNKS = 16  # each adds its operators to the graph


@constant
def _facts(*plan: Any) -> tuple[int, bool, bool, int, int]:
    """Return the properties of a plan that decide the shape of the graph."""
    found = neighbourhood_plan(*plan)
    return found.blocks, found.queries is not None, found.keys is not None, *found.out_size


@tensor_constant
def _queries(*plan: Any) -> np.ndarray | None:
    return neighbourhood_plan(*plan).queries


@tensor_constant
def _keys(*plan: Any) -> np.ndarray | None:
    return neighbourhood_plan(*plan).keys


@tensor_constant
def _mask(*plan: Any) -> np.ndarray:
    return neighbourhood_plan(*plan).mask


@tensor_constant
def _output(*plan: Any) -> np.ndarray | None:
    return neighbourhood_plan(*plan).output


@constant
def _chunks(sequences: int, cached_logits: int, *plan: Any) -> int:
    """Return into how many equal chunks to divide, so that a cache holds the logits of one."""
    found = neighbourhood_plan(*plan)
    logits = sequences * found.blocks * found.mask.size
    divisors = [n for n in range(1, _MOST_CHUNKS + 1) if sequences % n == 0]
    return next((n for n in divisors if logits <= n * cached_logits), divisors[-1])


def pixel_coordinates(height: int, width: int) -> np.ndarray:
    """Return the coordinates -1..1 of each pixel, x first: (2, H * W)."""
    x = np.broadcast_to(np.linspace(-1, 1, width)[None], (height, width))
    y = np.broadcast_to(np.linspace(-1, 1, height)[:, None], (height, width))
    return np.stack([x, y]).reshape(2, -1).astype(np.float32)


coordinate_grid = tensor_constant(pixel_coordinates)


@register_attention("local")
class LocalAttention(SoftmaxAttention):
    r"""Multi-head attention over a reflection-padded k_a x k_a neighbourhood (Eq. 21).

    .. math:: o_i = \sum_{j \in N(i)} \mathrm{softmax}_j
              \big(q_i^\top (k_j + p_i - p_j) / \sqrt d\big)\, v_j

    where p is a learned linear map of the pixel coordinates. The term :math:`q_i^\top p_i` is the
    same for all j and drops out of the softmax, so only k - p is formed, before the padding. Exact,
    without unfold: see :mod:`acmix.ops.neighbourhood`. If the target asks for it, a batch of known
    size is computed in chunks whose logits fit into the cache.

    Args:
        dim: C, channels of q, k and v.
        num_heads: N, a divisor of C.
        kernel_size: k_a, odd.
        stride: the queries are the pixels ``[::stride, ::stride]``.
        dilation: distance between the pixels of a neighbourhood.
        impl: ``auto``, or ``halo`` or ``whole`` to force a formulation.

    Shape:
        q, k, v: (B, C, H, W), any H and W of at least 1.
        Output: (B, C, ceil(H / stride), ceil(W / stride)), channel ``n * d + g`` for head n.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        kernel_size: int = 7,
        stride: int = 1,
        dilation: int = 1,
        impl: str = "auto",
    ):
        super().__init__(dim, num_heads)
        check_neighbourhood(kernel_size, stride)
        check(dilation >= 1, f"dilation must be at least 1, got {dilation}.")
        check(impl in IMPLEMENTATIONS, f"impl='{impl}' is unknown.{suggest(impl, IMPLEMENTATIONS)}")
        self.kernel_size, self.stride, self.dilation = kernel_size, stride, dilation
        self.rearrange = Rearrange()
        self.cached_logits = current_target().cached_logits
        self.impl = impl
        # A 1x1 convolution of the two coordinates, with the default initialiser of torch; its bias
        # cancels in p_i - p_j and is kept because the released checkpoints hold it.
        bound = 2**-0.5
        shape = (self.head_dim, 2)
        self.position_weight: Any = Parameter(
            initializer(Uniform(bound), shape), name="position_weight"
        )
        self.position_bias: Any = Parameter(
            initializer(Uniform(bound), (self.head_dim,)), name="position_bias"
        )
        self.fixed_position: Any = None

    def construct(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend; see the class."""
        _, _, height, width = q.shape
        arguments = (
            height, width, self.kernel_size, self.stride, self.dilation,
            self.head_dim, self.impl,
        )  # fmt: skip
        _, gathers_queries, gathers_keys, out_height, out_width = _facts(*arguments)

        position = self._position(height, width).astype(k.dtype)
        heads = (-1, self.head_dim, height * width)
        q = self._rows(q.reshape(heads), self.scale)
        k = self._rows(self.add(k.reshape(heads), -position))
        v = self._rows(v.reshape(heads))
        if gathers_queries:
            q = self._chosen(q, arguments)
        out = self._attend_in_chunks(q, k, v, arguments)
        if gathers_keys:
            out = self._in_order(out, arguments)
        return self._rows(out).reshape((-1, self.dim, out_height, out_width))

    def _rows(self, x: Tensor, factor: float = 1.0) -> Tensor:
        """Transpose matrices with a side of d; see :func:`acmix.ops.linear.transposed`."""
        by_product = not self.fast_broadcast and self.head_dim <= _SHORT
        by_product = by_product and ops.isconstant(x.shape[0])
        return transposed(x, factor, by_product)

    def _attend_in_chunks(self, q: Tensor, k: Tensor, v: Tensor, arguments: tuple) -> Tensor:
        """Attend to as many sequences at a time as the cache holds the logits of."""
        chunks = 1
        if self.cached_logits is not None and ops.isconstant(q.shape[0]):
            chunks = _chunks(q.shape[0], self.cached_logits, *arguments)
        if chunks == 1:
            return self._attend(q, k, v, arguments)
        sequences = q.shape[0] // chunks
        q, k, v = ops.split(q, sequences), ops.split(k, sequences), ops.split(v, sequences)
        parts = [self._attend(q[i], k[i], v[i], arguments) for i in range(chunks)]
        return ops.cat(parts)

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, arguments: tuple) -> Tensor:
        """Attend to sequences: queries (S, M, d), k and v (S, H * W, d) to (S, M, d)."""
        blocks, _, gathers_keys, _, _ = _facts(*arguments)
        queries = q.shape[1]
        if gathers_keys:
            keys = _keys(*arguments)
            k, v = take_rows(k, keys), take_rows(v, keys)
        if blocks > 1:
            q = q.reshape((-1, queries // blocks, self.head_dim))
            k = k.reshape((-1, k.shape[1] // blocks, self.head_dim))
            v = v.reshape((-1, v.shape[1] // blocks, self.head_dim))
        logits = self.add(self.logits(q, k).astype(mstype.float32), _mask(*arguments))
        out = self.weighted_sum(self.softmax(logits).astype(v.dtype), v)
        return out.reshape((-1, queries, self.head_dim)) if blocks > 1 else out

    def _chosen(self, q: Tensor, arguments: tuple) -> Tensor:
        """Take the queries, (B, H * W, d), in the order of their blocks."""
        if self.stride == 1:
            # The copies that fill up a ragged block are dropped again.
            return self.rearrange(q, _queries(*arguments), _output(*arguments))
        return take_rows(q, _queries(*arguments))

    def _in_order(self, out: Tensor, arguments: tuple) -> Tensor:
        """Take the outputs of the blocks' queries in the order of the pixels."""
        order, queries = _output(*arguments), _queries(*arguments)
        if self.stride == 1 and order.shape[0] == queries.shape[0]:
            return self.rearrange(out, order, queries)
        return take_rows(out, order)

    def _position(self, height: int, width: int) -> Tensor:
        """Return the position term p of every pixel, (d, H * W)."""
        if self.fixed_position is not None:
            return self.fixed_position(height, width)
        position = ops.matmul(self.position_weight, coordinate_grid(height, width))
        return position + self.position_bias.reshape((-1, 1))

    def for_inference(self) -> nn.Cell:
        """Compute the position terms once for each size of map, while a graph is compiled."""
        if self.fixed_position is None:
            weight = self.position_weight.asnumpy()
            self.fixed_position = tensor_constant(
                lambda height, width: weight @ pixel_coordinates(height, width)
            )
            forget(self, "position_weight", "position_bias")
        return self

    def macs(self, q_shape: Shape, k_shape: Shape, v_shape: Shape) -> dict[str, int]:
        """Multiply-adds of q k and a v: 2 k_a^2 C per output pixel (Tab. 1)."""
        batch, _, height, width = q_shape
        pixels = -(-height // self.stride) * -(-width // self.stride)
        return {"attention": 2 * batch * self.kernel_size**2 * self.dim * pixels}

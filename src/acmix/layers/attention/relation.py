"""Local relation: aggregation of neighbours by the similarity of single numbers (LR-Net).

Hu et al., "Local Relation Networks for Image Recognition", ICCV 2019 (arXiv:1904.11491).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from mindspore import Tensor, nn, ops
from mindspore import dtype as mstype

from acmix.errors import check, suggest
from acmix.layers.attention.base import check_neighbourhood
from acmix.layers.attention.softmax import SoftmaxAttention
from acmix.layers.blocks import conv
from acmix.layers.full_precision import FullPrecision
from acmix.layers.inference import frozen
from acmix.layers.rearrange import Rearrange
from acmix.ops import halo
from acmix.ops.constants import constant, tensor_constant
from acmix.ops.linear import take_rows, to_maps, to_tokens
from acmix.ops.neighbourhood import MASKED
from acmix.ops.padding import lowest_pad, zero_pad
from acmix.utils.cells import Shape
from acmix.utils.parameters import forget

SIMILARITIES = ("squared", "product")

_query_elements = tensor_constant(halo.query_elements)
_output_elements = tensor_constant(halo.output_elements)
_key_pixels = tensor_constant(halo.key_pixels)
_value_rows = tensor_constant(halo.inner_key_rows)
_output_rows = tensor_constant(halo.output_rows)
_offset_index = tensor_constant(halo.offset_index)


@constant
def _facts(*plan: int) -> tuple[int, int, int, int]:
    """Return the queries and keys of a block, and the size of the output."""
    found = halo.padded_plan(*plan)
    queries, keys = found.mask.shape
    return queries, keys, *found.out_size


@tensor_constant
def _offsets(kernel_size: int) -> np.ndarray:
    """Return (dx, dy) of each offset, in pixels, row by row: (1, 2, k, k)."""
    reach = np.arange(kernel_size) - kernel_size // 2
    return np.stack(np.meshgrid(reach, reach))[None].astype(np.float32)


class LocalRelation(SoftmaxAttention):
    r"""Softmax over a neighbourhood of how near a key is to the query, plus a geometry prior.

    .. math:: o_i = \sum_{j \in N(i)} \mathrm{softmax}_j\big(-(q_i - k_j)^2 + g_{j - i}\big)\, v_j

    A group of channels has one number for a query and one for a key. The prior g of each offset and
    group is a small network of the offset in pixels. Pixels beyond the border take no part.

    :math:`-(q - k)^2 = -q^2 + (2q, 1) \cdot (k, -k^2)`, and :math:`q^2` is the same for all keys:
    so it is attention with queries and keys of two numbers, in matrix products over halos
    (:mod:`acmix.ops.halo`). It is computed in float32, as the squares may be large.

    Args:
        dim: C, channels of v.
        num_heads: G, groups of channels that share their weights, a divisor of C.
        kernel_size: k, odd.
        stride: the outputs are those of the pixels ``[::stride, ::stride]``.
        similarity: ``squared``, or ``product`` for :math:`q_i k_j`.

    Shape:
        q: (B, G, ceil(H / stride), ceil(W / stride)). k: (B, G, H, W). v: (B, C, H, W).
        Output: (B, C, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        kernel_size: int = 7,
        stride: int = 1,
        similarity: str = "squared",
    ):
        super().__init__(dim, num_heads, qk_channels=num_heads)
        check_neighbourhood(kernel_size, stride)
        check(
            similarity in SIMILARITIES,
            f"similarity='{similarity}' is unknown.{suggest(similarity, SIMILARITIES)}",
        )
        self.kernel_size, self.stride = kernel_size, stride
        self.similarities = _Similarities(num_heads, kernel_size, similarity == "squared")
        self.geometry: Any = nn.SequentialCell(
            conv(2, num_heads, 1, has_bias=True),
            nn.ReLU(),
            conv(num_heads, num_heads, 1, has_bias=True),
        )
        self.fixed_prior: Any = None

    def construct(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Aggregate; see the class."""
        _, _, height, width = k.shape
        plan = (height, width, self.kernel_size, self.stride, self.head_dim)
        queries, keys, out_height, out_width = _facts(*plan)
        logits = self.similarities(q, k, plan, queries, keys)
        logits = self.add(logits, self._bias(plan, queries, keys))
        weights = self.softmax(logits).astype(v.dtype).reshape((-1, queries, keys))
        rows = to_tokens(v).reshape((-1, height * width * self.num_heads, self.head_dim))
        v = take_rows(rows, _value_rows(self.num_heads, *plan))
        out = self.weighted_sum(weights, v.reshape((-1, keys, self.head_dim)))
        count = _query_elements(self.num_heads, *plan).shape[0]
        order = _output_rows(self.num_heads, *plan)
        out = take_rows(out.reshape((-1, count, self.head_dim)), order)
        return to_maps(out.reshape((-1, out_height, out_width, self.dim)))

    def _bias(self, plan: tuple[int, ...], queries: int, keys: int) -> Tensor:
        """Return the prior of each query's and key's offset, (G, M, keys)."""
        prior = self._prior() if self.fixed_prior is None else self.fixed_prior
        bias = take_rows(prior.reshape((1, -1, self.num_heads)), _offset_index(*plan))
        return (
            bias.reshape((queries * keys, self.num_heads))
            .transpose(1, 0)
            .reshape((self.num_heads, queries, keys))
        )

    def _prior(self) -> Tensor:
        """Return g, and a last row for what is no neighbour: (k^2 + 1, G), in float32."""
        area = self.kernel_size**2
        prior = self.geometry(_offsets(self.kernel_size)).astype(mstype.float32)
        prior = prior.reshape((self.num_heads, area)).transpose(1, 0)
        return ops.cat((prior, prior[:1] * 0.0 + MASKED), 0)

    def for_inference(self) -> nn.Cell:
        """Compute the prior once."""
        if self.fixed_prior is None:
            self.fixed_prior = frozen(self._prior().asnumpy(), "fixed_prior")
            forget(self, "geometry")
        return self

    def macs(self, q_shape: Shape, k_shape: Shape, v_shape: Shape) -> dict[str, int]:
        """Multiply-adds: 1 for a similarity, C / G for the sum, per group, offset and output."""
        batch, groups, height, width = q_shape
        per_pixel = self.kernel_size**2 * (groups + self.dim)
        return {"attention": batch * height * width * per_pixel}


class _Similarities(FullPrecision):
    """The similarity of each query to each key of its halo: (B * blocks * G, M, keys), float32."""

    def __init__(self, num_heads: int, kernel_size: int, squared: bool):
        super().__init__()
        self.num_heads, self.kernel_size, self.squared = num_heads, kernel_size, squared
        self.rearrange = Rearrange()
        self.product = ops.BatchMatMul()

    def construct(
        self, q: Tensor, k: Tensor, plan: tuple[int, ...], queries: int, keys: int
    ) -> Tensor:
        """Multiply pairs of numbers."""
        return self.product(self._queries(q, plan, queries), self._keys(k, plan, keys))

    def _queries(self, q: Tensor, plan: tuple[int, ...], count: int) -> Tensor:
        """Return (2 q, 1), or (q, 1): (B * blocks * G, M, 2)."""
        elements = q.reshape((-1, q.shape[1] * q.shape[2] * q.shape[3], 1))
        there = _query_elements(self.num_heads, *plan)
        q = self.rearrange(elements, there, _output_elements(self.num_heads, *plan))
        q = q.reshape((-1, count, 1)).astype(mstype.float32)  # a Cell below is in half precision
        q = q + q if self.squared else q
        return ops.cat((q, ops.stop_gradient(q) * 0.0 + 1.0), 2)

    def _keys(self, k: Tensor, plan: tuple[int, ...], count: int) -> Tensor:
        """Return (k, -k^2) or (k, 0), (0, -1e4) beyond the border: (B * blocks * G, 2, keys)."""
        k = k.astype(mstype.float32)
        border = (self.kernel_size // 2,) * 4
        second = -(k * k) if self.squared else k * 0.0
        k, second = zero_pad(k, *border), lowest_pad(second, *border)
        _, groups, height, width = k.shape
        maps = (-1, groups, 1, height * width)
        pair = ops.cat((k.reshape(maps), second.reshape(maps)), 2)
        # Whole pixels are taken, so that the index holds each key once, not once per group.
        pixels = pair.reshape((-1, 2 * groups, height * width)).transpose(0, 2, 1)
        pixels = take_rows(pixels, _key_pixels(*plan)).reshape((-1, count, 2 * groups))
        return pixels.transpose(0, 2, 1).reshape((-1, 2, count))

"""Which pixels a k_a x k_a local attention reads, arranged as a few large matrix products.

Attention over a neighbourhood is usually written with unfold: it copies every key and value k_a^2
times. Here the queries are taken in blocks; a block shares one halo of keys, and a constant
additive mask removes what lies outside of each query's own neighbourhood. There are two
formulations, equal to rounding:

* ``halo``: blocks of bh x bw queries with their (bh + k_a - 1) x (bw + k_a - 1) keys. Memory grows
  by the overlap of the halos (about 4 times for 4 x 8 blocks) instead of 49 times.
* ``whole``: one block, the whole map. Reflection makes a pixel near the border appear several times
  in a neighbourhood; its multiplicity m is the additive mask log(m), so that no pixel is copied.

Everything here is NumPy on plain integers: it runs once per shape, while the graph is compiled.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from acmix.ops.padding import LOWEST, reflect_index

MASKED = LOWEST  # -inf or -1e9 would turn a softmax in float16 into NaN
_BLOCK_SIZES = (2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16)
_GATHER_COST = 0.5  # a gathered element against a computed logit; see docs/performance.md


@dataclass(frozen=True)
class Plan:
    """Index tables of one neighbourhood attention over an H x W map, flattened row by row.

    Attributes:
        blocks: number of query blocks.
        queries: (blocks * queries per block,) source pixel of each query, or None for all in order.
        keys: (blocks * keys per block,) source pixel of each key, or None for all in order.
        mask: (queries per block, keys per block) float32, added to the logits.
        output: (H' * W',) where each output pixel stands among the queries, None if in order.
        out_size: (H', W').
        block: rows and columns of a block's queries.
        halo: rows and columns of a block's keys.
    """

    blocks: int
    queries: np.ndarray | None
    keys: np.ndarray | None
    mask: np.ndarray
    output: np.ndarray | None
    out_size: tuple[int, int]
    block: tuple[int, int] = (0, 0)
    halo: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class _Axis:
    outputs: np.ndarray  # (blocks, b) output index of each query
    keys: np.ndarray  # (blocks, n) source position of each key
    mask: np.ndarray  # (b, n) True where the key is in the query's neighbourhood
    out_length: int


def _axis_blocks(
    length: int, kernel: int, stride: int, dilation: int, block: int, padded: bool = False
) -> _Axis:
    """Cut one axis into blocks of queries whose keys lie on one lattice of step ``dilation``.

    Outputs ``step`` apart look at the same lattice, so that a block never holds a key that none of
    its queries needs, for any dilation.
    """
    out_length = -(-length // stride)
    step = dilation // math.gcd(stride, dilation)
    advance = stride * step // dilation  # lattice points between consecutive queries of a block
    relative = np.arange(advance * (block - 1) + kernel)
    outputs, keys = [], []
    for residue in range(min(step, out_length)):
        members = np.arange(residue, out_length, step)
        for start in range(0, len(members), block):
            chosen = members[start : start + block]
            outputs.append(np.pad(chosen, (0, block - len(chosen)), mode="edge"))
            keys.append(chosen[0] * stride + dilation * (relative - kernel // 2))
    offset = relative[None] - advance * np.arange(block)[:, None]
    mask = (offset >= 0) & (offset < kernel)
    position = np.stack(keys)
    if padded:
        border = dilation * (kernel // 2)
        # Beyond the border are only keys of the copies that fill up a ragged block.
        position = np.clip(position + border, 0, length + 2 * border - 1)
    else:
        position = reflect_index(position, length)
    return _Axis(np.stack(outputs), position, mask, out_length)


def _multiplicity(length: int, kernel: int, stride: int, dilation: int) -> np.ndarray:
    """Count how often each source position is in each output's neighbourhood: (outputs, length)."""
    centres = np.arange(0, length, stride)[:, None]
    reach = dilation * (np.arange(kernel) - kernel // 2)[None]
    counts = np.zeros((len(centres), length), np.int64)
    np.add.at(counts, (np.arange(len(centres))[:, None], reflect_index(centres + reach, length)), 1)
    return counts


def _outer(rows: np.ndarray, columns: np.ndarray, width: int) -> np.ndarray:
    """Combine (by, r) row and (bx, c) column indices into flat (by, bx, r, c) pixel indices."""
    return rows[:, None, :, None] * width + columns[None, :, None, :]


def _whole_plan(height: int, width: int, kernel: int, stride: int, dilation: int) -> Plan:
    rows = _multiplicity(height, kernel, stride, dilation)
    columns = _multiplicity(width, kernel, stride, dilation)
    counts = rows[:, None, :, None] * columns[None, :, None, :]
    out_size = rows.shape[0], columns.shape[0]
    counts = counts.reshape(out_size[0] * out_size[1], height * width)
    mask = np.where(counts > 0, np.log(np.maximum(counts, 1)), MASKED).astype(np.float32)
    queries = None
    if stride > 1:
        every = np.arange(height * width).reshape(height, width)
        queries = every[::stride, ::stride].reshape(-1).astype(np.int32)
    return Plan(1, queries, None, mask, None, out_size)


def _halo_plan(width: int, row_axis: _Axis, column_axis: _Axis, stride: int, border: int) -> Plan:
    queries = _outer(row_axis.outputs * stride, column_axis.outputs * stride, width)
    keys = _outer(row_axis.keys, column_axis.keys, width + 2 * border)
    inside = row_axis.mask[:, None, :, None] & column_axis.mask[None, :, None, :]
    inside = inside.reshape(queries.shape[2] * queries.shape[3], -1)
    out_size = row_axis.out_length, column_axis.out_length
    written = _outer(row_axis.outputs, column_axis.outputs, out_size[1]).reshape(-1)
    # Of the copies that fill up a ragged block only the first, the query itself, is read back.
    _, output = np.unique(written, return_index=True)
    return Plan(
        queries.shape[0] * queries.shape[1],
        queries.reshape(-1).astype(np.int32),
        keys.reshape(-1).astype(np.int32),
        np.where(inside, 0.0, MASKED).astype(np.float32),
        output.astype(np.int32),
        out_size,
        block=(queries.shape[2], queries.shape[3]),
        halo=(keys.shape[2], keys.shape[3]),
    )


@functools.lru_cache(maxsize=256)
def neighbourhood_plan(
    height: int,
    width: int,
    kernel_size: int,
    stride: int,
    dilation: int,
    head_dim: int,
    impl: str = "auto",
    padded: bool = False,
) -> Plan:
    """Choose and build the cheapest formulation for a map.

    The cost of a formulation is the number of logits and the number of gathered key and value
    elements, the two things that grow with the halo. Few channels lead to small blocks, many to
    large ones or to the whole map.

    Args:
        height, width: size of the key map, in pixels.
        kernel_size: k_a, odd.
        stride: step between queries, in pixels.
        dilation: step between the keys of a neighbourhood, in pixels.
        head_dim: d, channels per head.
        impl: ``auto``, ``halo`` or ``whole``.
        padded: for ``halo``: the keys are those of the map that is padded on all sides by what the
            neighbourhoods reach beyond it, not those that reflection finds.
    """
    if impl == "whole":
        return _whole_plan(height, width, kernel_size, stride, dilation)

    def axes(length: int) -> list[_Axis]:
        longest = max(2, -(-length // stride))
        sizes = [size for size in _BLOCK_SIZES if size <= longest]
        return [_axis_blocks(length, kernel_size, stride, dilation, size, padded) for size in sizes]

    def cost(row_axis: _Axis, column_axis: _Axis) -> float:
        keys = row_axis.keys.size * column_axis.keys.size
        queries = row_axis.outputs.shape[1] * column_axis.outputs.shape[1]
        return keys * (queries + _GATHER_COST * 2 * head_dim)

    candidates = [(row, column) for row in axes(height) for column in axes(width)]
    best = min(candidates, key=lambda pair: cost(*pair))
    pixels = height * width
    whole_cost = pixels * best[0].out_length * best[1].out_length
    if impl == "auto" and whole_cost <= cost(*best):
        return _whole_plan(height, width, kernel_size, stride, dilation)
    border = dilation * (kernel_size // 2) if padded else 0
    return _halo_plan(width, *best, stride, border)

"""Neighbourhoods of pixels by slices: k + k of them instead of k^2, as both axes are independent.

For attention whose weights are not products of queries and keys, so that the matrix products of
:mod:`acmix.ops.neighbourhood` do not apply.

``strided`` cuts by StridedSlice instead of Slice, see :attr:`Target.slice_gradient
<acmix.utils.target.Target.slice_gradient>`.
"""

from __future__ import annotations

from mindspore import Tensor, ops


def unfold_rows(padded: Tensor, kernel_size: int, strided: bool = False) -> Tensor:
    """Stack the k vertical neighbours: (B, C, H + k - 1, W) to (B, C * k, H, W).

    The channel is ``c * k + i`` for the neighbour ``i`` rows below the first.
    """
    _, channels, height, width = padded.shape
    height = height - kernel_size + 1
    lines = padded.reshape((-1, channels, padded.shape[2] * width))
    neighbours: tuple = ()
    for index in range(kernel_size):
        neighbours += (_cut(lines, index * width, height * width, strided),)
    return ops.cat(neighbours, 2).reshape((-1, channels * kernel_size, height, width))


def shifted_columns(padded: Tensor, kernel_size: int, strided: bool = False) -> tuple[Tensor, ...]:
    """Return the k horizontal neighbours of (B, C, H, W + k - 1), each (B, C, H, W)."""
    width = padded.shape[3] - kernel_size + 1
    neighbours: tuple = ()
    for index in range(kernel_size):
        neighbours += (_cut(padded, index, width, strided),)
    return neighbours


def unfold(padded: Tensor, kernel_size: int, strided: bool = False) -> Tensor:
    """Stack k x k neighbourhoods: (B, C, H + k - 1, W + k - 1) to (B, C * k^2, H, W).

    The channel is ``c * k^2 + i * k + j`` for row i and column j of the neighbourhood.
    """
    rows = unfold_rows(padded, kernel_size, strided)
    columns = shifted_columns(rows, kernel_size, strided)
    _, channels, height, width = columns[0].shape
    flat: tuple = ()
    for column in columns:
        flat += (column.reshape((-1, channels, height * width)),)
    return ops.cat(flat, 2).reshape((-1, channels * kernel_size, height, width))


def _cut(x: Tensor, start: int, length: int, strided: bool) -> Tensor:
    """Take ``length`` elements of the last axis from ``start`` on."""
    begin = (0,) * (x.ndim - 1) + (start,)
    # Primitives, because their functional forms take a graph compiler far longer.
    if strided:
        return ops.StridedSlice()(x, begin, (*x.shape[:-1], start + length), (1,) * x.ndim)
    return ops.Slice()(x, begin, (*x.shape[:-1], length))

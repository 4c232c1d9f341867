"""Neighbourhoods of pixels by slices: k + k of them instead of k^2, as both axes are independent.

For attention whose weights are not products of queries and keys, so that the matrix products of
:mod:`acmix.ops.neighbourhood` do not apply.
"""

from __future__ import annotations

from mindspore import Tensor, ops


def unfold_rows(padded: Tensor, kernel_size: int) -> Tensor:
    """Stack the k vertical neighbours: (B, C, H + k - 1, W) to (B, C * k, H, W).

    The channel is ``c * k + i`` for the neighbour ``i`` rows below the first.
    """
    _, channels, height, width = padded.shape
    height = height - kernel_size + 1
    lines = padded.reshape((-1, channels, padded.shape[2] * width))
    neighbours: tuple = ()
    for index in range(kernel_size):
        neighbours += (_cut(lines, index * width, height * width),)
    return ops.cat(neighbours, 2).reshape((-1, channels * kernel_size, height, width))


def shifted_columns(padded: Tensor, kernel_size: int) -> tuple[Tensor, ...]:
    """Return the k horizontal neighbours of (B, C, H, W + k - 1), each (B, C, H, W)."""
    width = padded.shape[3] - kernel_size + 1
    neighbours: tuple = ()
    for index in range(kernel_size):
        neighbours += (_cut(padded, index, width),)
    return neighbours


def unfold(padded: Tensor, kernel_size: int) -> Tensor:
    """Stack k x k neighbourhoods: (B, C, H + k - 1, W + k - 1) to (B, C * k^2, H, W).

    The channel is ``c * k^2 + i * k + j`` for row i and column j of the neighbourhood.
    """
    rows = unfold_rows(padded, kernel_size)
    columns = shifted_columns(rows, kernel_size)
    _, channels, height, width = columns[0].shape
    flat: tuple = ()
    for column in columns:
        flat += (column.reshape((-1, channels, height * width)),)
    return ops.cat(flat, 2).reshape((-1, channels * kernel_size, height, width))


def _cut(x: Tensor, start: int, length: int) -> Tensor:
    """Take ``length`` elements of the last axis from ``start`` on."""
    # The primitive, because its functional form takes a graph compiler far longer.
    return ops.Slice()(x, (0,) * (x.ndim - 1) + (start,), (*x.shape[:-1], length))

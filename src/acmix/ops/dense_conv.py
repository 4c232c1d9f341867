"""The convolution path of ACmix as one ordinary convolution, by composing all that is linear in it.

Projection, fully connected layer and group convolution are linear maps in a row: together they are
one k x k convolution from C_in to C channels, whose kernels are made of their weights. The k^2 d
maps between them, of d = C / N channels each, are never written. That takes N times the multiply-
adds of the projection to the maps; with few heads it is faster all the same.
"""

from __future__ import annotations

import numpy as np
from mindspore import Tensor, ops

from acmix.ops.block_conv import padded_conv
from acmix.ops.constants import tensor_constant

_MAP_COST = 250
"""Multiply-adds in the time that one number of a map takes, to be written and read by a group
convolution: measured on CPU, see docs/performance.md. By its bandwidth and its peak an Ascend 910
computes 430 while it writes and reads one number in float16."""


def dense_is_cheaper(
    in_channels: int,
    channels: int,
    head_dim: int,
    stride: int,
    reduced: bool,
    block_cost: float | None = None,
) -> bool:
    """Return whether one ordinary convolution takes less time than maps and their aggregation.

    Args:
        in_channels: C_in of the projection.
        channels: C.
        head_dim: d.
        stride: step of the output grid; the maps do not have it.
        reduced: whether k and v are projected from a smaller map: their share of the maps is then
            enlarged and added. As a convolution it costs next to nothing, see
            :func:`acmix.ops.upsampled_conv.upsampled_conv`.
        block_cost: of the aggregation without group convolution, by
            :func:`acmix.ops.block_conv.block_cost`. None for a group convolution, whose time is
            that of its maps.
    """
    dense = in_channels * channels / stride**2
    maps = head_dim * (in_channels + (3 if reduced else 1) * _MAP_COST)
    return dense <= maps + (0 if block_cost is None else block_cost / stride**2)


def composed_kernel(kernel: Tensor, weight: Tensor, groups: int) -> Tensor:
    """Compose a group convolution with the linear map before it.

    Args:
        kernel: (groups * n, m, k, k).
        weight: (groups * m, C_in).
        groups: d.

    Returns:
        (groups * n, C_in, k, k).
    """
    channels, maps, size, _ = kernel.shape
    taps, in_channels = size * size, weight.shape[1]
    kernel = kernel.reshape((groups, channels // groups, maps, taps)).transpose(0, 1, 3, 2)
    kernel = kernel.reshape((groups, channels // groups * taps, maps))
    composed = ops.BatchMatMul()(kernel, weight.reshape((groups, maps, in_channels)))
    composed = composed.reshape((channels, taps, in_channels)).transpose(0, 2, 1)
    return composed.reshape((channels, in_channels, size, size))


def bordered_bias(kernel: Tensor, height: int, width: int, stride: int, dilation: int) -> Tensor:
    """Return what a bias of the maps gives in every pixel: (1, C, H', W').

    Around the maps there are zeros and no bias: pixels at the border see less of it.

    Args:
        kernel: (C, 1, k, k), the group convolution composed with the bias.
        height, width: of the maps.
        stride, dilation: of the convolution.
    """
    return padded_conv(_ones(height, width).astype(kernel.dtype), kernel, stride, dilation)


@tensor_constant
def _ones(height: int, width: int) -> np.ndarray:
    return np.ones((1, 1, height, width), np.float32)

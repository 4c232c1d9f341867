"""Shift and sum of the convolution path with kernels that no longer change."""

from __future__ import annotations

import numpy as np
from mindspore import Tensor, nn, ops

from acmix.layers.conv_path import ConvPath
from acmix.layers.inference import absorb_output, fixed_conv
from acmix.ops.block_conv import block_count
from acmix.ops.shift import repeat_channels, shift_sum


def aggregation(path: ConvPath) -> nn.Cell:
    """Return the Cell that does what ``path.aggregate`` does: (B, d * k^2, H, W) to (B, C, H, W).

    Its formulation is that of the path: one group convolution, ordinary convolutions, or slices.
    """
    if path.kernel is None:
        return ShiftSum(path)
    kernel = path.kernel.asnumpy()
    if path.impl == "block":
        return BlockConv(kernel, path.head_dim, path.stride, path.dilation)
    return fixed_conv(kernel, None, path.stride, path.dilation, path.head_dim)


class ShiftSum(nn.Cell):
    """Shifted maps added up, and copied to the channels of a group."""

    def __init__(self, path: ConvPath):
        super().__init__()
        self.kernel_size, self.stride, self.dilation = path.kernel_size, path.stride, path.dilation
        self.repeats = path.channels // path.head_dim

    def construct(self, maps: Tensor) -> Tensor:
        """Aggregate; see :func:`aggregation`."""
        summed = shift_sum(maps, self.kernel_size, self.stride, self.dilation)
        return repeat_channels(summed, self.repeats)


class BlockConv(nn.Cell):
    """:func:`acmix.ops.block_conv.block_conv` with its block-diagonal kernels made once.

    Args:
        kernel: (groups * n, m, k, k).
        groups, stride, dilation: see there.
    """

    def __init__(self, kernel: np.ndarray, groups: int, stride: int, dilation: int):
        super().__init__()
        outputs, maps, size, _ = kernel.shape
        blocks = block_count(groups, maps, outputs // groups)
        merged = groups // blocks
        self.maps = merged * maps
        convs = []
        for own in kernel.reshape(blocks, merged, outputs // groups, maps, size, size):
            dense = np.zeros((merged, outputs // groups, merged, maps, size, size), kernel.dtype)
            dense[range(merged), :, range(merged)] = own
            dense = dense.reshape(outputs // blocks, self.maps, size, size)
            convs.append(fixed_conv(dense, None, stride, dilation))
        self.convs = nn.CellList(convs)

    def construct(self, maps: Tensor) -> Tensor:
        """Aggregate; see :func:`aggregation`."""
        if len(self.convs) == 1:
            return self.convs[0](maps)
        pieces = ops.split(maps, self.maps, 1)
        convolved: tuple = ()
        for index in range(len(self.convs)):
            convolved += (self.convs[index](pieces[index]),)
        return ops.cat(convolved, 1)

    def absorb_output(self, scale: np.ndarray, shift: np.ndarray) -> bool:
        """See :mod:`acmix.layers.inference`."""
        cuts = len(self.convs)
        own = zip(self.convs, np.split(scale, cuts), np.split(shift, cuts), strict=True)
        return all([absorb_output(conv, *affine) for conv, *affine in own])

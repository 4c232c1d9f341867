"""The convolution path with kernels that no longer change."""

from __future__ import annotations

from typing import Any

import numpy as np
from mindspore import Tensor, nn, ops

from acmix.layers.conv_path import ConvPath
from acmix.layers.inference import absorb_output, fixed_conv, frozen
from acmix.ops.block_conv import block_count
from acmix.ops.dense_conv import bordered_bias, composed_kernel
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


class DenseConv(nn.Cell):
    """The whole path as one convolution of its input, see :mod:`acmix.ops.dense_conv`.

    Args:
        path: whose kernels are composed.
        weight: (d * k^2, C_in) and
        bias: (d * k^2,) or None, both as ``path.fold`` gives them.
        scale: factor of the output.
    """

    def __init__(self, path: ConvPath, weight: Tensor, bias: Tensor | None, scale: float):
        super().__init__()
        self.stride, self.dilation = path.stride, path.dilation
        kernel = path.kernel * scale
        composed = composed_kernel(kernel, weight, path.head_dim).asnumpy()
        self.conv = fixed_conv(composed, None, path.stride, path.dilation)
        self.border: Any = None
        if bias is not None:
            border = composed_kernel(kernel, bias.reshape((-1, 1)), path.head_dim).asnumpy()
            self.border = frozen(border, "border")

    def construct(self, x: Tensor) -> Tensor:
        """Convolve (B, C_in, H, W) to (B, C, H', W')."""
        if self.border is None:
            return self.conv(x)
        steps = self.stride, self.dilation
        border = self.border.astype(x.dtype)
        return self.conv(x) + bordered_bias(border, x.shape[2], x.shape[3], *steps)

    def absorb_output(self, scale: np.ndarray, shift: np.ndarray) -> bool:
        """See :mod:`acmix.layers.inference`."""
        if self.border is not None:
            self.border = frozen(self.border.asnumpy() * scale[:, None, None, None], "border")
        return absorb_output(self.conv, scale, shift)

    def absorb_input(self, scale: np.ndarray, shift: np.ndarray) -> bool:
        """See :mod:`acmix.layers.inference`; outside of the map there is no shift."""
        weight = self.conv.weight.asnumpy()
        moved = (weight * shift[:, None, None]).sum(1, keepdims=True)
        border = moved if self.border is None else self.border.asnumpy() + moved
        self.border = frozen(border, "border")
        self.conv.weight = frozen(weight * scale[:, None, None], "weight")
        return True


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

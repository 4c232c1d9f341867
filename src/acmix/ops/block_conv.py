"""The group convolution of ACmix without a group convolution.

On Ascend MindSpore documents Conv2D with group > 1 for the depthwise case only, and ACmix's group
convolution (k^2 d maps in d groups to C = N d maps) is not depthwise. Neighbouring groups are
therefore merged into a few ordinary convolutions whose kernels are block diagonal. It is exact, in
value and in gradient, and the parameter keeps its shape (C, k^2, k, k).
"""

from __future__ import annotations

import numpy as np
from mindspore import Tensor, ops

from acmix.ops.constants import constant, tensor_constant

_TILE = 16  # rows and columns of a product on Ascend's cube unit; smaller ones are filled up
_MOST_BLOCKS = 16
_LAUNCH_TILES = 40
"""Tiles of 3 x 3 kernels in the time of a launch, for 32 maps of 14 x 14 pixels: an estimate, of
10 us a launch and half the peak of an Ascend 910, 6e13 multiply-adds a second."""


@constant
def block_count(groups: int, maps_per_group: int, outputs_per_group: int) -> int:
    """Return into how many ordinary convolutions to merge the groups.

    One block is mostly zeros, one per group is mostly padding of tiles, and each is a launch. The
    choice takes the least time, see :func:`block_cost`.
    """

    def cost(blocks: int) -> int:
        return _tiles(blocks, groups, maps_per_group, outputs_per_group)

    choices = [blocks for blocks in range(1, _MOST_BLOCKS + 1) if groups % blocks == 0]
    return min(choices, key=cost)


def block_cost(groups: int, maps_per_group: int, outputs_per_group: int) -> int:
    """Return the multiply-adds per pixel and tap of the kernel in the time of all blocks.

    Products on the cube unit are of whole tiles. A launch counts as what is computed in its time.
    """
    blocks = block_count(groups, maps_per_group, outputs_per_group)
    return _TILE**2 * _tiles(blocks, groups, maps_per_group, outputs_per_group)


def _tiles(blocks: int, groups: int, maps_per_group: int, outputs_per_group: int) -> int:
    merged = groups // blocks
    rows = -(-merged * outputs_per_group // _TILE)
    columns = -(-merged * maps_per_group // _TILE)
    launches = 1 if blocks == 1 else blocks + 2  # cut and join, too
    return blocks * rows * columns + launches * _LAUNCH_TILES


@tensor_constant
def _diagonal(size: int) -> np.ndarray:
    return np.eye(size, dtype=np.float32).reshape(1, size, 1, size, 1)


def block_conv(maps: Tensor, kernel: Tensor, groups: int, stride: int, dilation: int) -> Tensor:
    """Convolve with ``groups`` groups by ordinary convolutions of merged groups.

    Args:
        maps: (B, groups * m, H, W).
        kernel: (groups * n, m, k, k).
        groups: d; output channel ``g * n + j`` sees the maps ``g * m .. (g + 1) * m - 1``.
        stride: step of the output grid.
        dilation: distance between the kernel's taps; the padding is ``dilation * (k // 2)``.

    Returns:
        (B, groups * n, ceil(H / stride), ceil(W / stride)).
    """
    outputs, per_group, size, _ = kernel.shape
    per_output = outputs // groups
    blocks = block_count(groups, per_group, per_output)
    merged = groups // blocks
    taps = per_group * size * size
    diagonal = _diagonal(merged).astype(kernel.dtype)
    # (block, group, n, group', m k k), zero unless group' is the group.
    weight = kernel.reshape((blocks, merged, per_output, 1, taps)) * diagonal
    weight = weight.reshape((blocks * merged * per_output, merged * per_group, size, size))
    if blocks == 1:
        return padded_conv(maps, weight, stride, dilation)
    convolved: tuple = ()
    parts = ops.split(maps, merged * per_group, 1)
    weights = ops.split(weight, merged * per_output, 0)
    for index in range(blocks):
        convolved += (padded_conv(parts[index], weights[index], stride, dilation),)
    return ops.cat(convolved, 1)


def padded_conv(x: Tensor, kernel: Tensor, stride: int, dilation: int, groups: int = 1) -> Tensor:
    """Convolve (B, C, H, W) zero-padded so that stride 1 keeps H and W."""
    border = dilation * (kernel.shape[2] // 2)
    conv = ops.Conv2D(
        kernel.shape[0],
        (kernel.shape[2], kernel.shape[3]),
        pad_mode="pad",
        pad=(border, border, border, border),
        stride=(stride, stride),
        dilation=(dilation, dilation),
        group=groups,
    )
    return conv(x, kernel)

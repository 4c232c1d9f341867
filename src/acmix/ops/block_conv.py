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
_MOST_BLOCKS = 16  # each is one launch
_LAUNCH_TILES = 2  # a launch costs about as much as this many tiles: prefers fewer blocks at a tie


@constant
def block_count(groups: int, maps_per_group: int, outputs_per_group: int) -> int:
    """Return into how many ordinary convolutions to merge the groups.

    The choice minimises the cube unit's 16 x 16 tiles of all blocks: one block would be mostly
    zeros, one per group mostly padding.
    """

    def tiles(blocks: int) -> int:
        merged = groups // blocks
        rows = -(-merged * outputs_per_group // _TILE)
        columns = -(-merged * maps_per_group // _TILE)
        return blocks * (rows * columns + _LAUNCH_TILES)

    choices = [blocks for blocks in range(1, _MOST_BLOCKS + 1) if groups % blocks == 0]
    return min(choices, key=tiles)


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

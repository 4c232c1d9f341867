"""Feature pyramid network: Lin et al., "Feature Pyramid Networks for Object Detection", CVPR 2017.

As in mmdetection: every convolution has a bias and no norm, and there is no ReLU, not even between
the extra levels, where RetinaNet's paper, torchvision and detectron2 put one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from mindspore import Tensor, nn
from mindspore.common.initializer import XavierUniform

from acmix.errors import check, suggest
from acmix.ops.constants import constant
from acmix.ops.resample import nearest

EXTRA_LEVELS = ("input", "output", "pool")


class FPN(nn.Cell):
    """A pyramid of maps with equally many channels, from the maps of a backbone.

    Args:
        in_channels: channels of the backbone's maps, fine to coarse.
        channels: C of every level.
        num_levels: maps of the pyramid, at least as many as ``in_channels``.
        extra_levels: what the first level beyond the backbone's is convolved from, the backbone's
            last map (``input``) or the pyramid's (``output``). Each further one is convolved from
            the level before it. With ``pool`` they have no convolutions: every second pixel of the
            level before, as Mask R-CNN's P6 (Lin et al., Sec. 4.1).

    Shape:
        Tuple of (B, in_channels[i], H_i, W_i) to a tuple of (B, channels, H_l, W_l): the sizes of
        the backbone's maps, then half of the level before, rounded up.

    Raises:
        UserError: fewer levels than maps, or an unknown ``extra_levels``.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        channels: int = 256,
        num_levels: int = 5,
        extra_levels: str = "input",
    ):
        super().__init__()
        check(
            num_levels >= len(in_channels) > 0,
            f"num_levels={num_levels} must be at least the backbone's {len(in_channels)} maps.",
        )
        check(
            extra_levels in EXTRA_LEVELS,
            f"extra_levels='{extra_levels}' is unknown.{suggest(extra_levels, EXTRA_LEVELS)}",
        )
        self.extra_from_input = extra_levels == "input"
        self.lateral_convs = nn.CellList([_conv(count, channels, 1) for count in in_channels])
        self.fpn_convs = nn.CellList([_conv(channels, channels, 3) for _ in in_channels])
        sources = [in_channels[-1] if self.extra_from_input else channels]
        sources += [channels] * num_levels
        extra = num_levels - len(in_channels)
        if extra_levels == "pool":
            convs: list[nn.Cell] = [nn.MaxPool2d(1, 2) for _ in range(extra)]
        else:
            convs = [_conv(count, channels, 3, stride=2) for count in sources[:extra]]
        self.extra_convs = nn.CellList(convs)

    def construct(self, maps: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Apply lateral convolutions, the way down, output convolutions, extra levels."""
        x = self.lateral_convs[-1](maps[-1])
        merged: tuple = (x,)
        for i in range(len(maps) - 2, -1, -1):
            x = self.lateral_convs[i](maps[i]) + nearest(x, maps[i].shape[2], maps[i].shape[3])
            merged = (x, *merged)
        levels: tuple = ()
        for i in range(len(maps)):
            levels += (self.fpn_convs[i](merged[i]),)
        x = maps[-1] if self.extra_from_input else levels[-1]
        for conv in self.extra_convs:
            x = conv(x)
            levels += (x,)
        return levels


def level_strides(reductions: Sequence[int], num_levels: int) -> tuple[int, ...]:
    """Return the strides of a pyramid's levels: the backbone's, then doubled by each extra level.

    Raises:
        UserError: the backbone's maps are not in the order fine to coarse.
    """
    check(
        all(fine < coarse for fine, coarse in pairwise(reductions)),
        f"A pyramid needs maps of falling size, got maps reduced by {tuple(reductions)}.",
    )
    extra = num_levels - len(reductions)
    return (*reductions, *(reductions[-1] * 2**i for i in range(1, extra + 1)))


@constant
def level_sizes(strides: tuple[int, ...], height: int, width: int) -> tuple[tuple[int, int], ...]:
    """Return (height, width) of each level's map for images of a size in pixels."""
    return tuple((-(-height // stride), -(-width // stride)) for stride in strides)


def _conv(in_channels: int, channels: int, kernel_size: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(
        in_channels,
        channels,
        kernel_size,
        stride,
        pad_mode="pad",
        padding=kernel_size // 2,
        has_bias=True,
        weight_init=XavierUniform(),
        bias_init="zeros",
    )

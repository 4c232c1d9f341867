"""What residual networks have in common: blocks around a spatial mixer, stages of them, the stem.

He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, with the stride in the mixer,
which is their 3x3 convolution.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from mindspore import Tensor, nn
from mindspore.common.initializer import initializer

from acmix.errors import check, suggest
from acmix.layers.blocks import batch_norm, conv
from acmix.layers.drop_path import DropPath, drop_path_rates
from acmix.models.backbone import Backbone, FeatureInfo
from acmix.ops.padding import zero_pad

EXPANSION = 4


class ResidualBlock(nn.Cell):
    """Layers around an identity, which is projected where the shape changes; then a ReLU."""

    def __init__(self, in_channels: int, out_channels: int, stride: int, drop_path_rate: float):
        super().__init__()
        self.relu = nn.ReLU()
        self.drop_path = DropPath(drop_path_rate)
        self.downsample = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.SequentialCell(
                conv(in_channels, out_channels, 1, stride), batch_norm(out_channels)
            )

    def branch(self, x: Tensor) -> Tensor:
        """Apply the layers."""
        raise NotImplementedError

    def construct(self, x: Tensor) -> Tensor:
        """Apply the block."""
        identity = x if self.downsample is None else self.downsample(x)
        return self.relu(identity + self.drop_path(self.branch(x)))


class Bottleneck(ResidualBlock):
    """1x1 convolution, spatial mixer, 1x1 convolution, each with BatchNorm, around an identity.

    Args:
        in_channels: channels of x.
        mixer: the Cell between the 1x1 convolutions, ``width`` to ``width`` channels.
        width: channels of the mixer.
        stride: of the mixer.
        drop_path_rate: probability of dropping the branch.
        out_channels: of the output; 4 times ``width`` if None.

    Shape:
        (B, in_channels, H, W) to (B, out_channels, ceil(H / stride), ceil(W / stride)).
    """

    fold_norm_into_previous = (("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3"))
    last_norm = "bn3"

    def __init__(
        self,
        in_channels: int,
        mixer: nn.Cell,
        width: int,
        stride: int,
        drop_path_rate: float,
        out_channels: int | None = None,
    ):
        out_channels = out_channels or EXPANSION * width
        super().__init__(in_channels, out_channels, stride, drop_path_rate)
        self.conv1 = conv(in_channels, width, 1)
        self.bn1 = batch_norm(width)
        self.conv2 = mixer
        self.bn2 = batch_norm(width)
        self.conv3 = conv(width, out_channels, 1)
        self.bn3 = batch_norm(out_channels)

    def branch(self, x: Tensor) -> Tensor:
        """Apply the three layers."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.bn3(self.conv3(x))


class BasicBlock(ResidualBlock):
    """Spatial mixer and 3x3 convolution, each with BatchNorm, around an identity.

    Args:
        in_channels: channels of x.
        mixer: the first layer, ``in_channels`` to ``width`` channels.
        width: channels of the output.
        stride: of the mixer.
        drop_path_rate: probability of dropping the branch.

    Shape:
        (B, in_channels, H, W) to (B, width, ceil(H / stride), ceil(W / stride)).
    """

    fold_norm_into_previous = (("conv1", "bn1"), ("conv2", "bn2"))
    last_norm = "bn2"

    def __init__(
        self, in_channels: int, mixer: nn.Cell, width: int, stride: int, drop_path_rate: float
    ):
        super().__init__(in_channels, width, stride, drop_path_rate)
        self.conv1 = mixer
        self.bn1 = batch_norm(width)
        self.conv2 = conv(width, width, 3, padding=1)
        self.bn2 = batch_norm(width)

    def branch(self, x: Tensor) -> Tensor:
        """Apply the two layers."""
        x = self.relu(self.bn1(self.conv1(x)))
        return self.bn2(self.conv2(x))


BLOCKS = {"bottleneck": Bottleneck, "basic": BasicBlock}


class Place(NamedTuple):
    """Where a mixer stands: its stage, its channels, its stride, the stride of its output."""

    stage: int
    in_channels: int
    channels: int
    stride: int
    reduction: int


class ResidualNetwork(Backbone):
    """Stem, stages of residual blocks that halve the map and double the channels, classifier.

    A family calls :meth:`make_stem` and then :meth:`make_stages` in its constructor, or makes
    stages of its own.
    """

    classifier_name = "fc"
    fold_norm_into_previous: tuple = (("conv1", "bn1"),)

    def make_stem(self, in_channels: int, width: int, stem_pool: bool = True) -> int:
        """Make the usual stem, a 7x7 convolution and, with ``stem_pool``, a max pooling.

        Returns:
            The stride of its output.
        """
        self.conv1 = conv(in_channels, width, 7, 2, padding=3)
        self.bn1 = batch_norm(width)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, 2, pad_mode="valid") if stem_pool else None
        return 4 if stem_pool else 2

    def make_stages(
        self,
        make_mixer: Callable[[Place], nn.Cell],
        depths: Sequence[int],
        stem_width: int,
        stem_stride: int,
        drop_path_rate: float,
        widths: Sequence[int] | None = None,
        block: str = "bottleneck",
        out_channels: Sequence[int] | None = None,
    ) -> list[FeatureInfo]:
        """Make the stages.

        Args:
            make_mixer: makes the mixer of a block.
            depths: blocks per stage.
            stem_width, stem_stride: channels and stride of the input of the first stage.
            drop_path_rate: of the last block; grows linearly from 0.
            widths: channels of the mixers per stage; if None those of the stem, doubled with every
                stage.
            block: name of the kind of blocks.
            out_channels: per stage, where bottlenecks do not widen 4-fold.

        Raises:
            UserError: the kind of blocks is unknown.
        """
        check(block in BLOCKS, f"block='{block}' is unknown.{suggest(block, BLOCKS)}")
        kind = BLOCKS[block]
        if widths is None:
            widths = [stem_width * 2**index for index in range(len(depths))]
        stages, info, channels = [], [], stem_width
        rates = drop_path_rates(drop_path_rate, depths)
        for index, (depth, width) in enumerate(zip(depths, widths, strict=True)):
            blocks, reduction = [], stem_stride * 2**index
            wide = () if out_channels is None else (out_channels[index],)
            for position in range(depth):
                stride = 2 if position == 0 and index > 0 else 1
                before = width if kind is Bottleneck else channels
                mixer = make_mixer(Place(index, before, width, stride, reduction))
                made = kind(channels, mixer, width, stride, next(rates), *wide)
                channels = getattr(made, made.last_norm).num_features
                blocks.append(made)
            stages.append(nn.SequentialCell(blocks))
            info.append(FeatureInfo(channels, reduction, f"stages.{index}"))
        self.stages = nn.CellList(stages)
        return info

    def stem(self, x: Tensor) -> Tensor:
        """Reduce (B, in_channels, H, W) to (B, width, H / 4, W / 4), or H / 2 without pooling."""
        return self.pooled_stem(self.relu(self.bn1(self.conv1(x))))

    def pooled_stem(self, x: Tensor) -> Tensor:
        """Apply the max pooling, if there is one, to what a ReLU puts out."""
        if self.maxpool is None:
            return x
        # After a ReLU zero padding is as good as padding by minus infinity, and it exports.
        return self.maxpool(zero_pad(x, 1, 1, 1, 1))


def start_as_identities(network: ResidualNetwork) -> None:
    """Set the last gamma of each block to zero, so that at first only the identities act.

    Goyal et al., "Accurate, Large Minibatch SGD", arXiv:1706.02677, section 5.1.
    """
    for _, cell in network.cells_and_names():
        if isinstance(cell, ResidualBlock):
            gamma = getattr(cell, cell.last_norm).gamma
            gamma.set_data(initializer("zeros", gamma.shape, gamma.dtype))


def per_stage(mixer: str | Sequence[str], depths: Sequence[int], known: Sequence[str]) -> list[str]:
    """Return the name of each stage's mixer, given one for all or one for each.

    Raises:
        UserError: too many or few names, or an unknown one.
    """
    mixers = [mixer] * len(depths) if isinstance(mixer, str) else list(mixer)
    check(
        len(mixers) == len(depths),
        f"mixer must be one name or one for each of the {len(depths)} stages, got {mixer}.",
    )
    for name in mixers:
        check(name in known, f"mixer='{name}' is unknown.{suggest(name, known)}")
    return mixers

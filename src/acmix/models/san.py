"""SAN and SAN-ACmix.

SAN: Zhao et al., "Exploring Self-attention for Image Recognition", CVPR 2020, with patchwise
attention. SAN-ACmix (Sec. 5.1, Appendix C): the attention of every block becomes an ACmix operator;
q and k have c / 16 channels and v, with c / 4, is divided into 4 groups, so that the convolution
path combines 6 features. Its code was never released. Our reading, where the paper leaves it open:
the fully connected layer goes from 6 to 9 without a bias, and alpha F_att + beta F_conv replaces
the aggregated values, before the block's second BatchNorm.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mindspore import Tensor, nn

from acmix.errors import check, suggest
from acmix.layers.acmix import ACmix
from acmix.layers.acmix_options import ACmixOptions
from acmix.layers.blocks import batch_norm, torch_conv
from acmix.layers.drop_path import DropPath, drop_path_rates
from acmix.models.backbone import Backbone, FeatureInfo
from acmix.ops.padding import zero_pad

MIXERS = ("attention", "acmix")
VALUE_GROUPS = 4  # v has as many times the channels of q
BOTTLENECK = 4  # a block has as many times the channels of v


class SANBlock(nn.Cell):
    """BatchNorm, ReLU, mixer, BatchNorm, ReLU, 1x1 convolution around an identity: (B, C, H, W).

    Args:
        mixer: the Cell that takes C to C / 4 channels.
        channels: C.
        drop_path_rate: probability of dropping the branch.
    """

    fold_norm_into_previous = (("sam", "bn2"),)

    def __init__(self, mixer: nn.Cell, channels: int, drop_path_rate: float):
        super().__init__()
        self.bn1 = batch_norm(channels)
        self.sam = mixer
        self.bn2 = batch_norm(channels // BOTTLENECK)
        self.conv = torch_conv(channels // BOTTLENECK, channels, 1)
        self.relu = nn.ReLU()
        self.drop_path = DropPath(drop_path_rate)

    def construct(self, x: Tensor) -> Tensor:
        """Apply the block."""
        y = self.sam(self.relu(self.bn1(x)))
        return x + self.drop_path(self.conv(self.relu(self.bn2(y))))


class SANStage(nn.Cell):
    """Halve the map, change the channels, apply blocks, then BatchNorm and ReLU.

    (B, in_channels, H, W) to (B, channels, ceil(H / 2), ceil(W / 2)), both of them not negative.
    """

    def __init__(self, in_channels: int, channels: int, blocks: list[nn.Cell]):
        super().__init__()
        self.pool = nn.MaxPool2d(2, 2, pad_mode="valid")
        self.conv = torch_conv(in_channels, channels, 1, has_bias=False)
        self.blocks = nn.SequentialCell(blocks)
        self.bn = batch_norm(channels)
        self.relu = nn.ReLU()

    def construct(self, x: Tensor) -> Tensor:
        """Apply the stage."""
        # After a ReLU zero padding is as good as padding by minus infinity, and it exports.
        x = self.pool(zero_pad(x, 0, x.shape[2] % 2, 0, x.shape[3] % 2))
        return self.relu(self.bn(self.blocks(self.conv(x))))


class SAN(Backbone):
    """A self-attention network.

    Args:
        depths: blocks per stage; the maps of stage i have a 2^(i+1)-th of the image's sides.
        mixer: ``attention``, patchwise alone, or ``acmix``.
        num_classes: outputs of the classifier, 0 for pooled features.
        in_channels: channels of the images.
        channels: of each stage, multiples of 16.
        kernel_sizes: k_a of each stage.
        share_planes: channels that share an attention weight.
        drop_path_rate: of the last block; grows linearly from 0.
        features_only, out_indices: see :class:`Backbone`.
        **acmix_arguments: fields of :class:`ACmixOptions`.

    Shape:
        (B, in_channels, H, W) to (B, num_classes); any H and W of at least 1.
    """

    classifier_name = "fc"
    default_options = ACmixOptions()
    fold_norm_into_previous = (("conv_in", "bn_in"),)

    def __init__(
        self,
        depths: Sequence[int] = (3, 3, 4, 6, 3),
        mixer: str = "attention",
        num_classes: int = 1000,
        in_channels: int = 3,
        channels: Sequence[int] = (64, 256, 512, 1024, 2048),
        kernel_sizes: Sequence[int] = (3, 7, 7, 7, 7),
        share_planes: int = 8,
        drop_path_rate: float = 0.0,
        features_only: bool = False,
        out_indices: Sequence[int] | None = None,
        **acmix_arguments: Any,
    ):
        super().__init__()
        options = self.options_from(acmix_arguments)
        check(mixer in MIXERS, f"mixer='{mixer}' is unknown.{suggest(mixer, MIXERS)}")
        check(
            len(depths) == len(channels) == len(kernel_sizes),
            "depths, channels and kernel_sizes must be equally long, "
            f"got {depths}, {channels} and {kernel_sizes}.",
        )
        check(
            all(count % (BOTTLENECK * VALUE_GROUPS) == 0 for count in channels),
            f"channels must be multiples of {BOTTLENECK * VALUE_GROUPS}, got {channels}.",
        )

        if mixer == "attention":
            options = options.with_only_attention()

        def make_mixer(count: int, kernel_size: int) -> nn.Cell:
            std = (3 * count) ** -0.5  # that of torch's default initialiser, which SAN keeps
            return ACmix(
                count,
                count // BOTTLENECK,
                VALUE_GROUPS,
                qk_channels=count // (BOTTLENECK * VALUE_GROUPS),
                attention="patchwise",
                kernel_size=kernel_size,
                share_planes=share_planes,
                **vars(replace(options, qkv_std=options.qkv_std or std)),
            )

        self.conv_in = torch_conv(in_channels, channels[0], 1, has_bias=False)
        self.bn_in = batch_norm(channels[0])
        self.relu = nn.ReLU()
        rates = drop_path_rates(drop_path_rate, depths)
        stages, info, before = [], [], channels[0]
        for index, (depth, count) in enumerate(zip(depths, channels, strict=True)):
            blocks: list[nn.Cell] = [
                SANBlock(make_mixer(count, kernel_sizes[index]), count, next(rates))
                for _ in range(depth)
            ]
            stages.append(SANStage(before, count, blocks))
            info.append(FeatureInfo(count, 2 ** (index + 1), f"stages.{index}"))
            before = count
        self.stages = nn.CellList(stages)
        self.finish(info, num_classes, features_only, out_indices)

    def stem(self, x: Tensor) -> Tensor:
        """Embed the pixels: (B, in_channels, H, W) to (B, channels[0], H, W)."""
        return self.relu(self.bn_in(self.conv_in(x)))

"""ResNet, ResNet-ACmix, and ResNets with self-attention to compare with.

ResNet: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, with the stride in the
3x3 convolution of the bottleneck. ResNet-ACmix (Sec. 5.1, Appendix C): every 3x3 convolution of a
bottleneck is an ACmix operator with local attention, k_a = 7, k_c = 3, N = 4. SASA (Ramachandran et
al., "Stand-Alone Self-Attention in Vision Models", NeurIPS 2019): the same with the attention path
alone. BoTNet (Srinivas et al., "Bottleneck Transformers for Visual Recognition", CVPR 2021): global
attention with relative positions in the last stage; a stride averages its output.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mindspore import Tensor, nn

from acmix.errors import check, suggest
from acmix.layers.acmix import ACmix
from acmix.layers.acmix_options import ACmixOptions
from acmix.layers.blocks import batch_norm, conv
from acmix.layers.drop_path import DropPath, drop_path_rates
from acmix.models.backbone import Backbone, FeatureInfo
from acmix.ops.padding import zero_pad

EXPANSION = 4
MIXERS = ("conv", "acmix", "relative")


class Bottleneck(nn.Cell):
    """1x1 convolution, spatial mixer, 1x1 convolution, each with BatchNorm, around an identity.

    Args:
        in_channels: channels of x.
        mixer: the Cell between the 1x1 convolutions, ``width`` to ``width`` channels.
        width: channels of the mixer; the output has 4 times as many.
        stride: of the mixer.
        drop_path_rate: probability of dropping the branch.

    Shape:
        (B, in_channels, H, W) to (B, 4 * width, ceil(H / stride), ceil(W / stride)).
    """

    fold_norm_into_previous = (("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3"))

    def __init__(
        self, in_channels: int, mixer: nn.Cell, width: int, stride: int, drop_path_rate: float
    ):
        super().__init__()
        out_channels = EXPANSION * width
        self.conv1 = conv(in_channels, width, 1)
        self.bn1 = batch_norm(width)
        self.conv2 = mixer
        self.bn2 = batch_norm(width)
        self.conv3 = conv(width, out_channels, 1)
        self.bn3 = batch_norm(out_channels)
        self.relu = nn.ReLU()
        self.drop_path = DropPath(drop_path_rate)
        self.downsample = None
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.SequentialCell(
                conv(in_channels, out_channels, 1, stride), batch_norm(out_channels)
            )

    def construct(self, x: Tensor) -> Tensor:
        """Apply the block."""
        identity = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.bn3(self.conv3(x))
        return self.relu(identity + self.drop_path(x))


class ResNet(Backbone):
    """A bottleneck ResNet.

    Args:
        depths: blocks per stage.
        mixer: ``conv``, a 3x3 convolution, ``acmix``, or ``relative``, attention to the whole
            map; one for all stages or one for each.
        num_classes: outputs of the classifier, 0 for pooled features.
        in_channels: channels of the images.
        width: channels of the first stage's bottlenecks; doubles with every stage.
        stem_pool: halve the stem's map by max pooling. Without, all maps have twice the sides,
            which small images need: the strides are then 2, 4, 8, 16.
        num_heads: N, of the operators in all stages.
        kernel_size: k_a of the local attention.
        image_size: sides of the images that the relative positions are made for; on others
            they are stretched.
        drop_path_rate: of the last block; grows linearly from 0.
        features_only, out_indices: see :class:`Backbone`.
        **acmix_arguments: fields of :class:`ACmixOptions`, for ``acmix``.

    Shape:
        (B, in_channels, H, W) to (B, num_classes); any H and W of at least 1.
    """

    classifier_name = "fc"
    default_options = ACmixOptions()
    fold_norm_into_previous = (("conv1", "bn1"),)

    def __init__(
        self,
        depths: Sequence[int] = (3, 4, 6, 3),
        mixer: str | Sequence[str] = "conv",
        num_classes: int = 1000,
        in_channels: int = 3,
        width: int = 64,
        stem_pool: bool = True,
        num_heads: int = 4,
        kernel_size: int = 7,
        image_size: int = 224,
        drop_path_rate: float = 0.0,
        features_only: bool = False,
        out_indices: Sequence[int] | None = None,
        **acmix_arguments: Any,
    ):
        super().__init__()
        options = self.options_from(acmix_arguments)
        mixers = [mixer] * len(depths) if isinstance(mixer, str) else list(mixer)
        check(
            len(mixers) == len(depths),
            f"mixer must be one name or one for each of the {len(depths)} stages, got {mixer}.",
        )
        for name in mixers:
            check(name in MIXERS, f"mixer='{name}' is unknown.{suggest(name, MIXERS)}")

        def make_mixer(name: str, channels: int, stride: int, reduction: int) -> nn.Cell:
            if name == "conv":
                return conv(channels, channels, 3, stride, padding=1)
            if name == "relative":
                return ACmix(
                    channels,
                    channels,
                    num_heads,
                    attention="relative",
                    map_size=-(-image_size // reduction),
                    stride=stride,
                    combine="attention",
                    qkv_bias=False,
                )
            return ACmix(
                channels,
                channels,
                num_heads,
                attention="local",
                kernel_size=kernel_size,
                stride=stride,
                **vars(options),
            )

        self.conv1 = conv(in_channels, width, 7, 2, padding=3)
        self.bn1 = batch_norm(width)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, 2, pad_mode="valid") if stem_pool else None
        stem_stride = 4 if stem_pool else 2

        stages, info, channels = [], [], width
        rates = drop_path_rates(drop_path_rate, depths)
        for index, depth in enumerate(depths):
            stage_width, blocks = width * 2**index, []
            for position in range(depth):
                stride = 2 if position == 0 and index > 0 else 1
                reduction = stem_stride * 2**index // stride
                mixing = make_mixer(mixers[index], stage_width, stride, reduction)
                blocks.append(Bottleneck(channels, mixing, stage_width, stride, next(rates)))
                channels = EXPANSION * stage_width
            stages.append(nn.SequentialCell(blocks))
            info.append(FeatureInfo(channels, stem_stride * 2**index, f"stages.{index}"))
        self.stages = nn.CellList(stages)
        self.finish(info, num_classes, features_only, out_indices)

    def stem(self, x: Tensor) -> Tensor:
        """Reduce (B, in_channels, H, W) to (B, width, H / 4, W / 4), or H / 2 without pooling."""
        x = self.relu(self.bn1(self.conv1(x)))
        if self.maxpool is None:
            return x
        # After a ReLU zero padding is as good as padding by minus infinity, and it exports.
        return self.maxpool(zero_pad(x, 1, 1, 1, 1))

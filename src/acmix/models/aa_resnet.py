"""AA-ResNet: ResNets whose 3x3 convolutions are augmented by attention to the whole map.

Bello et al., "Attention Augmented Convolutional Networks", ICCV 2019 (arXiv:1904.09925): every 3x3
convolution of the bottlenecks in the last three stages, of basic blocks the first one. The code was
released in parts. Our reading, where the paper leaves it open:

* in the first of these stages the attention sees a map of half the sides, as in the paper's text on
  memory; with it the published multiply-adds fit, 4.2 G for 50 layers, without it they are 4.8 G;
* a head has at least 20 channels of queries and keys, as the paper says, and one of values.
"""

from __future__ import annotations

from collections.abc import Sequence

from mindspore import nn

from acmix.layers.augmented_conv import AugmentedConv
from acmix.layers.blocks import conv
from acmix.models.residual import Place, ResidualNetwork, per_stage

MIXERS = ("conv", "augmented", "augmented_halved")
LEAST_KEY_DIM = 20


class AAResNet(ResidualNetwork):
    """A ResNet with attention augmented convolutions.

    Args:
        depths: blocks per stage.
        mixer: ``conv``, a 3x3 convolution, ``augmented``, or ``augmented_halved``, whose attention
            sees a map of half the sides; one for all stages or one for each.
        block: ``bottleneck`` or ``basic``.
        num_classes: outputs of the classifier, 0 for pooled features.
        in_channels: channels of the images.
        width: channels of the first stage's mixers; doubles with every stage.
        stem_pool: see :class:`ResNet <acmix.models.resnet.ResNet>`.
        num_heads: N, in all stages.
        key_share, value_share: kappa and upsilon, channels of the keys and of the values against
            those of the augmented convolution.
        image_size: sides of the images that the relative positions are made for; on others
            they are stretched.
        drop_path_rate: of the last block; grows linearly from 0.
        features_only, out_indices: see :class:`Backbone <acmix.models.Backbone>`.

    Shape:
        (B, in_channels, H, W) to (B, num_classes); any H and W of at least 1.
    """

    def __init__(
        self,
        depths: Sequence[int] = (3, 4, 6, 3),
        mixer: str | Sequence[str] = ("conv", "augmented_halved", "augmented", "augmented"),
        block: str = "bottleneck",
        num_classes: int = 1000,
        in_channels: int = 3,
        width: int = 64,
        stem_pool: bool = True,
        num_heads: int = 8,
        key_share: float = 0.2,
        value_share: float = 0.1,
        image_size: int = 224,
        drop_path_rate: float = 0.0,
        features_only: bool = False,
        out_indices: Sequence[int] | None = None,
    ):
        super().__init__()
        mixers = per_stage(mixer, depths, MIXERS)

        def make_mixer(place: Place) -> nn.Cell:
            name, channels = mixers[place.stage], place.channels
            if name == "conv":
                return conv(place.in_channels, channels, 3, place.stride, padding=1)
            halved = name == "augmented_halved"
            return AugmentedConv(
                place.in_channels,
                channels,
                num_heads * max(LEAST_KEY_DIM, int(key_share * channels / num_heads)),
                num_heads * max(1, int(value_share * channels / num_heads)),
                num_heads,
                map_size=-(-image_size // (place.reduction * (2 if halved else 1))),
                stride=place.stride,
                halved=halved,
            )

        stem_stride = self.make_stem(in_channels, width, stem_pool)
        info = self.make_stages(make_mixer, depths, width, stem_stride, drop_path_rate, block=block)
        self.finish(info, num_classes, features_only, out_indices)

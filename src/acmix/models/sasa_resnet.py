"""SASA: ResNets with local self-attention in place of every 3x3 convolution.

Ramachandran et al., "Stand-Alone Self-Attention in Vision Models", NeurIPS 2019 (arXiv:1906.05909),
with the convolutional stem. It differs from ACmix's attention path (``attention_resnet50``) by 8
heads, learned vectors of the offsets, no scale, no biases, zeros beyond the border, and a stride
that averages. The code was not released; that the zeros take part in the softmax is our reading.
"""

from __future__ import annotations

from collections.abc import Sequence

from mindspore import nn

from acmix.layers.acmix import ACmix
from acmix.models.residual import Place, ResidualNetwork


class SASAResNet(ResidualNetwork):
    """A bottleneck ResNet with stand-alone self-attention.

    Args:
        depths: blocks per stage.
        num_classes: outputs of the classifier, 0 for pooled features.
        in_channels: channels of the images.
        width: channels of the first stage's attention, a multiple of 2 N; doubles with every stage.
        stem_pool: see :class:`ResNet <acmix.models.resnet.ResNet>`.
        num_heads: N, in all stages.
        kernel_size: k_a.
        drop_path_rate: of the last block; grows linearly from 0.
        features_only, out_indices: see :class:`Backbone <acmix.models.Backbone>`.

    Shape:
        (B, in_channels, H, W) to (B, num_classes); any H and W of at least 1.
    """

    def __init__(
        self,
        depths: Sequence[int] = (3, 4, 6, 3),
        num_classes: int = 1000,
        in_channels: int = 3,
        width: int = 64,
        stem_pool: bool = True,
        num_heads: int = 8,
        kernel_size: int = 7,
        drop_path_rate: float = 0.0,
        features_only: bool = False,
        out_indices: Sequence[int] | None = None,
    ):
        super().__init__()

        def make_mixer(place: Place) -> nn.Cell:
            return ACmix(
                place.channels,
                num_heads=num_heads,
                attention="standalone",
                kernel_size=kernel_size,
                stride=place.stride,
                combine="attention",
                qkv_bias=False,
            )

        stem_stride = self.make_stem(in_channels, width, stem_pool)
        info = self.make_stages(make_mixer, depths, width, stem_stride, drop_path_rate)
        self.finish(info, num_classes, features_only, out_indices)

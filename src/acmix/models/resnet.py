"""ResNet, ResNet-ACmix, and ResNets with self-attention to compare with.

ResNet: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, with the stride in the
3x3 convolution of the bottleneck. ResNet-ACmix (Sec. 5.1, Appendix C): every 3x3 convolution of a
bottleneck is an ACmix operator with local attention, k_a = 7, k_c = 3, N = 4. Its attention path
alone is the self-attention that the released code has; for SASA as published see
:mod:`acmix.models.sasa_resnet`. BoTNet (Srinivas et al., "Bottleneck Transformers for Visual
Recognition", CVPR 2021): global attention with relative positions in the last stage; a stride
averages its output, and every block starts as an identity.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mindspore import nn

from acmix.layers.acmix import ACmix
from acmix.layers.acmix_options import ACmixOptions
from acmix.layers.blocks import conv
from acmix.models.residual import Place, ResidualNetwork, per_stage, start_as_identities

MIXERS = ("conv", "acmix", "relative")


class ResNet(ResidualNetwork):
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
        zero_start: whether the last norm of each block starts at zero, as in BoTNet.
        drop_path_rate: of the last block; grows linearly from 0.
        features_only, out_indices: see :class:`Backbone <acmix.models.Backbone>`.
        **acmix_arguments: fields of :class:`ACmixOptions`, for ``acmix``.

    Shape:
        (B, in_channels, H, W) to (B, num_classes); any H and W of at least 1.
    """

    default_options = ACmixOptions()

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
        zero_start: bool = False,
        drop_path_rate: float = 0.0,
        features_only: bool = False,
        out_indices: Sequence[int] | None = None,
        **acmix_arguments: Any,
    ):
        super().__init__()
        options = self.options_from(acmix_arguments)
        mixers = per_stage(mixer, depths, MIXERS)

        def make_mixer(place: Place) -> nn.Cell:
            name, channels, stride = mixers[place.stage], place.channels, place.stride
            if name == "conv":
                return conv(channels, channels, 3, stride, padding=1)
            if name == "relative":
                return ACmix(
                    channels,
                    channels,
                    num_heads,
                    attention="relative",
                    map_size=-(-image_size * stride // place.reduction),
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

        stem_stride = self.make_stem(in_channels, width, stem_pool)
        info = self.make_stages(make_mixer, depths, width, stem_stride, drop_path_rate)
        self.finish(info, num_classes, features_only, out_indices)
        if zero_start:
            start_as_identities(self)

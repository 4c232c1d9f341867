"""UperNet: Xiao et al., "Unified Perceptual Parsing for Scene Understanding", ECCV 2018.

As in mmsegmentation, with the auxiliary head of PSPNet (Zhao et al., CVPR 2017).
"""

from __future__ import annotations

from collections.abc import Sequence

import mindspore as ms
from mindspore import Tensor, nn, ops

from acmix.errors import check
from acmix.layers.conv_norm import ConvNormReLU
from acmix.models.backbone import Backbone
from acmix.models.segmentation.parts import PixelClassifier
from acmix.models.segmentation.segmenter import Segmenter
from acmix.ops.resample import adaptive_average_pool, resize


class PyramidPooling(nn.Cell):
    """Join a map and its averages over 1 x 1, 2 x 2, ... regions.

    Args:
        in_channels: of the map.
        channels: of every average and of the output.
        scales: regions per side.

    Shape:
        (B, in_channels, H, W) to (B, channels, H, W).
    """

    def __init__(self, in_channels: int, channels: int, scales: Sequence[int]):
        super().__init__()
        check(
            len(scales) > 0 and min(scales) >= 1,
            f"pool_scales must be numbers of at least 1, got {scales}.",
        )
        self.scales = tuple(scales)
        self.convs = nn.CellList([ConvNormReLU(in_channels, channels, 1) for _ in scales])
        self.bottleneck = ConvNormReLU(in_channels + len(scales) * channels, channels, 3)

    def construct(self, x: Tensor) -> Tensor:
        """Pool and join."""
        _, _, height, width = x.shape
        joined: tuple = (x,)
        for i in range(len(self.scales)):
            pooled = self.convs[i](adaptive_average_pool(x, self.scales[i]))
            joined += (resize(pooled, height, width),)
        return self.bottleneck(ops.cat(joined, 1))


class UPerHead(nn.Cell):
    """Pyramid pooling of the coarsest map, a pyramid from coarse to fine, all levels joined.

    Args:
        in_channels: channels of the maps, fine to coarse.
        channels: of every level.
        num_classes: K.
        pool_scales: of :class:`PyramidPooling`.
        dropout: probability of each channel in training.

    Shape:
        Tuple of (B, in_channels[i], H_i, W_i) to logits (B, K, H_0, W_0).
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        channels: int,
        num_classes: int,
        pool_scales: Sequence[int],
        dropout: float,
    ):
        super().__init__()
        self.pooling = PyramidPooling(in_channels[-1], channels, pool_scales)
        finer = in_channels[:-1]
        self.lateral_convs = nn.CellList([ConvNormReLU(count, channels, 1) for count in finer])
        self.fpn_convs = nn.CellList([ConvNormReLU(channels, channels, 3) for _ in finer])
        self.fpn_bottleneck = ConvNormReLU(len(in_channels) * channels, channels, 3)
        self.classifier = PixelClassifier(channels, num_classes, dropout)

    def construct(self, maps: tuple[Tensor, ...]) -> Tensor:
        """Classify; see the class."""
        _, _, height, width = maps[0].shape
        x = self.pooling(maps[-1])
        levels: tuple = (resize(x, height, width),)
        for i in range(len(maps) - 2, -1, -1):
            x = self.lateral_convs[i](maps[i]) + resize(x, maps[i].shape[2], maps[i].shape[3])
            levels = (resize(self.fpn_convs[i](x), height, width), *levels)
        return self.classifier(self.fpn_bottleneck(ops.cat(levels, 1)))


class FCNHead(nn.Cell):
    """A 3x3 convolution and a classifier: (B, in_channels, H, W) to logits (B, K, H, W)."""

    def __init__(self, in_channels: int, channels: int, num_classes: int, dropout: float):
        super().__init__()
        self.conv = ConvNormReLU(in_channels, channels, 3)
        self.classifier = PixelClassifier(channels, num_classes, dropout)

    def construct(self, x: Tensor) -> Tensor:
        """Classify."""
        return self.classifier(self.conv(x))


class UperNet(Segmenter):
    """:class:`UPerHead`, and in training an auxiliary :class:`FCNHead` on the second coarsest map.

    Args:
        backbone: made with ``features_only=True``, with at least two maps.
        num_classes: K.
        channels, pool_scales: of :class:`UPerHead`.
        dropout: probability of each channel before the classifiers, in training.
        auxiliary_channels: of the auxiliary head.
        auxiliary_weight: of its loss in the total; 0 for no such head.

    Shape:
        (B, C, H, W) to logits (B, K, h, w), float32; any H and W.
    """

    def __init__(
        self,
        backbone: Backbone,
        num_classes: int = 150,
        channels: int = 512,
        pool_scales: Sequence[int] = (1, 2, 3, 6),
        dropout: float = 0.1,
        auxiliary_channels: int = 256,
        auxiliary_weight: float = 0.4,
    ):
        super().__init__(backbone, num_classes)
        check(auxiliary_weight >= 0, f"auxiliary_weight must not be negative: {auxiliary_weight}.")
        info = backbone.feature_info
        check(len(info) >= 2, f"UperNet needs at least two maps of the backbone, got {len(info)}.")
        counts = [stage.channels for stage in info]
        self.decode_head = UPerHead(counts, channels, num_classes, pool_scales, dropout)
        self.auxiliary_weight = auxiliary_weight
        self.auxiliary_head = None
        if auxiliary_weight > 0:
            self.auxiliary_head = FCNHead(counts[-2], auxiliary_channels, num_classes, dropout)
            self.loss_names = ("loss", "loss_decode", "loss_aux")
            self.training_only = ("auxiliary_head",)

    def construct(self, images: Tensor) -> Tensor:
        """Return the logits of the head."""
        return self.decode_head(self.backbone(images)).astype(ms.float32)

    def losses(self, images: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
        """Return the total, the head's loss, and the auxiliary one times its weight."""
        maps = self.backbone(images)
        loss_decode = self.loss_of(self.decode_head(maps), labels)
        if self.auxiliary_head is None:
            return (loss_decode,)
        loss_aux = self.auxiliary_weight * self.loss_of(self.auxiliary_head(maps[-2]), labels)
        return loss_decode + loss_aux, loss_decode, loss_aux

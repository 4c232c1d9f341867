"""Semantic FPN: Kirillov et al., "Panoptic Feature Pyramid Networks", CVPR 2019.

As in mmsegmentation and PVT's code: BatchNorm, where the paper and detectron2 take GroupNorm, and
dropout of channels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import mindspore as ms
from mindspore import Tensor, nn

from acmix.layers.conv_norm import ConvNormReLU
from acmix.models.backbone import Backbone
from acmix.models.fpn import FPN
from acmix.models.segmentation.parts import PixelClassifier
from acmix.models.segmentation.segmenter import Segmenter
from acmix.ops.resample import resize


class FPNHead(nn.Cell):
    """Bring all levels to the finest one's size by convolutions and resizing, add, classify.

    Args:
        in_channels: channels of every level.
        channels: of the sum.
        num_classes: K.
        strides: of the levels, fine to coarse: one convolution per halving, at least one.
        dropout: probability of each channel in training.

    Shape:
        Tuple of (B, in_channels, H_l, W_l) to logits (B, K, H_0, W_0).
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        num_classes: int,
        strides: Sequence[int],
        dropout: float,
    ):
        super().__init__()
        counts = [max(1, int(math.log2(stride / strides[0]))) for stride in strides]
        self.scale_heads = nn.CellList(
            [
                nn.CellList(
                    [ConvNormReLU(channels if i else in_channels, channels, 3) for i in range(n)]
                )
                for n in counts
            ]
        )
        self.classifier = PixelClassifier(channels, num_classes, dropout)

    def construct(self, levels: tuple[Tensor, ...]) -> Tensor:
        """Classify; see the class."""
        _, _, height, width = levels[0].shape
        total = self.scale_heads[0][0](levels[0])
        for i in range(1, len(levels)):
            x = levels[i]
            for block in self.scale_heads[i]:
                x = block(x)
                x = resize(x, 2 * x.shape[2], 2 * x.shape[3])
            total = total + resize(x, height, width)
        return self.classifier(total)


class SemanticFPN(Segmenter):
    """A feature pyramid and :class:`FPNHead`.

    Args:
        backbone: made with ``features_only=True``; its maps, fine to coarse, enter the pyramid.
        num_classes: K.
        neck_channels: of the pyramid.
        channels: of the head.
        dropout: probability of each channel before the classifier, in training.

    Shape:
        (B, C, H, W) to logits (B, K, h, w), float32; any H and W.
    """

    def __init__(
        self,
        backbone: Backbone,
        num_classes: int = 150,
        neck_channels: int = 256,
        channels: int = 128,
        dropout: float = 0.1,
    ):
        super().__init__(backbone, num_classes)
        info = backbone.feature_info
        self.neck = FPN([stage.channels for stage in info], neck_channels, len(info))
        self.decode_head = FPNHead(neck_channels, channels, num_classes, self.strides, dropout)

    def construct(self, images: Tensor) -> Tensor:
        """Return the logits of the head."""
        return self.decode_head(self.neck(self.backbone(images))).astype(ms.float32)

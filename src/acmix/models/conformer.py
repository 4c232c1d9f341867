"""Conformer, and Conformer-ACmix.

Conformer: Peng et al., "Conformer: Local Features Coupling Global Representations for Visual
Recognition", ICCV 2021. A residual network and a vision transformer run side by side and exchange
features in every block; each has a classifier. Conformer-ACmix is ours, no paper has it: the
attention of every block becomes an ACmix operator.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

from mindspore import Tensor, nn, ops

from acmix.errors import check
from acmix.layers.acmix_options import ACmixOptions
from acmix.layers.blocks import layer_norm
from acmix.layers.drop_path import drop_path_rates
from acmix.models.backbone import FeatureInfo
from acmix.models.conformer_blocks import (
    EPSILON,
    PATCH,
    SQUEEZE,
    STEM_WIDTH,
    ConvTransBlock,
    FirstBlock,
    TwoHeads,
)
from acmix.models.residual import ResidualNetwork
from acmix.models.vit import TransformerBlock, global_mixer, mixer_options


class Conformer(ResidualNetwork):
    """A residual network and a transformer with a class token, coupled.

    The classifier's output is the sum of two logits. Training sees each of them, see
    :meth:`training_logits`.

    Args:
        depths: blocks of the stages with maps of strides 4, 8, 16, and of the last one, whose final
            convolution has stride 2.
        width: channels of the maps of the first stage; doubled in the second and third.
        embed_dim: D of the tokens, which stand for 16 x 16 pixels in all stages.
        num_heads: N.
        mlp_ratio: hidden channels of the MLP against D.
        mixer: ``attention`` or ``acmix``.
        num_classes: outputs of each classifier, 0 for the features of both branches.
        in_channels: channels of the images.
        drop_path_rate: of the transformer's last block; grows linearly from 0.
        features_only, out_indices: see :class:`Backbone`: the maps of the convolutions.
        **acmix_arguments: fields of :class:`ACmixOptions`, by default an initial weight as
            Conformer's. ``combine='conv'`` is refused.

    Shape:
        (B, in_channels, H, W) to (B, num_classes); any H and W of at least 1. There are no
        positions. Where a map is not whole patches, these are averaged over the pixels there are.
    """

    default_options = ACmixOptions(qkv_std=0.02)
    classifier_name = "head"

    def __init__(
        self,
        depths: Sequence[int] = (4, 4, 3, 1),
        width: int = 256,
        embed_dim: int = 384,
        num_heads: int = 6,
        mlp_ratio: float = 4.0,
        mixer: str = "attention",
        num_classes: int = 1000,
        in_channels: int = 3,
        drop_path_rate: float = 0.0,
        features_only: bool = False,
        out_indices: Sequence[int] | None = None,
        **acmix_arguments: Any,
    ):
        super().__init__()
        options = mixer_options(mixer, self.options_from(acmix_arguments))
        check(
            len(depths) == 4 and depths[-1] == 1,
            f"depths must be those of 4 stages, the last of 1 block, got {depths}.",
        )
        check(width % SQUEEZE == 0, f"width must be a multiple of {SQUEEZE}, got {width}.")
        self.make_stem(in_channels, STEM_WIDTH)
        trans_blocks = [
            TransformerBlock(
                global_mixer(embed_dim, num_heads, options, with_token=True),
                embed_dim,
                mlp_ratio,
                rate,
                EPSILON,
            )
            for rate in drop_path_rates(drop_path_rate, depths)
        ]
        stages, info, before, number = [], [], width, 1
        for index, depth in enumerate(depths):
            grows, last = index in (1, 2), index == len(depths) - 1
            channels = 2 * before if grows else before
            blocks: OrderedDict[str, nn.Cell] = OrderedDict()
            for position in range(depth):
                trans_block = trans_blocks[number - 1]
                if number == 1:
                    blocks["first"] = FirstBlock(channels, embed_dim, trans_block)
                else:
                    blocks[f"conv_trans_{number}"] = ConvTransBlock(
                        before,
                        channels,
                        embed_dim,
                        stride=2 if grows and position == 0 else 1,
                        fusion_stride=2 if last else 1,
                        ratio=max(PATCH // 2**index, 1),
                        trans_block=trans_block,
                    )
                before, number = channels, number + 1
            stages.append(nn.SequentialCell(blocks))
            info.append(FeatureInfo(channels, 4 * 2**index, f"stages.{index}"))
        self.stages = nn.CellList(stages)
        self.embed_dim = embed_dim
        self.finish(info, num_classes, features_only, out_indices, before + embed_dim)
        if not features_only:
            self.trans_norm = layer_norm(embed_dim)

    def make_classifier(self, num_classes: int) -> nn.Cell:
        """Return a classifier of each branch."""
        return TwoHeads(self.num_features - self.embed_dim, self.embed_dim, num_classes)

    def to_feature(self, x: tuple[Tensor, Tensor], index: int) -> Tensor:
        """Take the map."""
        return x[0]

    def pooled(self, x: tuple[Tensor, Tensor]) -> Tensor:
        """Average the map and normalise the class token: (B, num_features)."""
        maps, tokens = x
        token, _ = ops.split(tokens, (1, tokens.shape[1] - 1), 1)
        token = self.trans_norm(token.reshape((-1, self.embed_dim)))
        return ops.cat((self.pool(maps, (2, 3)), token.astype(maps.dtype)), 1)

    def training_logits(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the logits of each classifier."""
        return self.head.separately(self.pooled(self.forward_features(x)))

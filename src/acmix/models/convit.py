"""ConViT, and ConViT-ACmix.

ConViT: d'Ascoli et al., "ConViT: Improving Vision Transformers with Soft Convolutional Inductive
Biases", ICML 2021. Its first blocks attend by content and by position; the class token joins behind
them. ConViT-ACmix is ours, no paper has it: the attention of every block becomes an ACmix operator.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mindspore import Tensor, nn

from acmix.errors import check
from acmix.layers.acmix import ACmix
from acmix.layers.acmix_options import ACmixOptions
from acmix.layers.blocks import PatchEmbed
from acmix.layers.class_token import ClassToken
from acmix.layers.drop_path import drop_path_rates
from acmix.models.backbone import FeatureInfo
from acmix.models.vit import (
    PositionEmbedding,
    TokenBackbone,
    TransformerBlock,
    TransformerStage,
    global_mixer,
    mixer_options,
)
from acmix.utils.parameters import get_value

NORM_EPSILON = 1e-6


class ConViT(TokenBackbone):
    """A vision transformer that starts as a convolution.

    Args:
        embed_dim: C.
        depth: blocks.
        local_depth: how many of them, the first ones, attend by position too.
        num_heads: N; a square starts as a convolution of its root.
        mlp_ratio: hidden channels of the MLP against C.
        mixer: ``attention`` or ``acmix``.
        num_classes: outputs of the classifier, 0 for the normalised class token.
        in_channels: channels of the images.
        image_size: sides of the images that the position embeddings are made for; on others they
            are stretched. Positions of pairs of pixels need no change.
        patch_size: pixels of a patch's side.
        drop_path_rate: of the last block; grows linearly from 0.
        features_only, out_indices: see :class:`Backbone`. There is one map, that of the last block;
            the class token attends, and the map is not normalised.
        **acmix_arguments: fields of :class:`ACmixOptions`, by default a projection without bias and
            an initial weight as ConViT's. ``combine='conv'`` is refused.

    Shape:
        (B, in_channels, H, W) to (B, num_classes); any H and W of at least 1.
    """

    default_options = ACmixOptions(qkv_bias=False, qkv_std=0.02)
    norm_epsilon = NORM_EPSILON

    def __init__(
        self,
        embed_dim: int = 192,
        depth: int = 12,
        local_depth: int = 10,
        num_heads: int = 4,
        mlp_ratio: float = 4.0,
        mixer: str = "attention",
        num_classes: int = 1000,
        in_channels: int = 3,
        image_size: int = 224,
        patch_size: int = 16,
        drop_path_rate: float = 0.0,
        features_only: bool = False,
        out_indices: Sequence[int] | None = None,
        **acmix_arguments: Any,
    ):
        super().__init__()
        options = mixer_options(mixer, self.options_from(acmix_arguments))
        check(
            0 <= local_depth < depth,
            f"local_depth must be from 0 to depth - 1 = {depth - 1}, as the class token needs a "
            f"block, got {local_depth}.",
        )

        def make_mixer(index: int) -> nn.Cell:
            if index >= local_depth:
                return global_mixer(embed_dim, num_heads, options, with_token=True)
            return local_mixer(embed_dim, num_heads, options)

        rates = drop_path_rates(drop_path_rate, (depth,))
        blocks: list[nn.Cell] = [
            TransformerBlock(make_mixer(index), embed_dim, mlp_ratio, rate, NORM_EPSILON)
            for index, rate in enumerate(rates)
        ]
        stage = TransformerStage(
            PatchEmbed(in_channels, embed_dim, patch_size, has_norm=False),
            PositionEmbedding(embed_dim, -(-image_size // patch_size), decays=False),
            blocks,
            ClassToken(embed_dim),
            token_at=local_depth,
        )
        self.stages = nn.CellList([stage])
        info = FeatureInfo(embed_dim, patch_size, "stages.0")
        self.finish((info,), num_classes, features_only, out_indices)


def local_mixer(dim: int, num_heads: int, options: ACmixOptions) -> ACmix:
    """Make the operator of a block with positions: its values start as the input itself."""
    mixer = ACmix(dim, dim, num_heads, attention="gated_positional", **vars(options))
    weight = get_value(mixer.qkv.weight)
    weight[2 * dim :] = np.eye(dim)
    mixer.qkv.weight.set_data(Tensor(weight))
    return mixer

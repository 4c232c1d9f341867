"""T2T-ViT, and T2T-ViT-ACmix.

T2T-ViT: Yuan et al., "Tokens-to-Token ViT: Training Vision Transformers from Scratch on ImageNet",
ICCV 2021. Two layers of attention over overlapping patches make the tokens of a narrow vision
transformer. T2T-ViT-ACmix is ours, no paper has it: the attention of every block of that becomes an
ACmix operator; the tokens are made as before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mindspore import Tensor, nn

from acmix.errors import check, suggest
from acmix.layers.acmix_options import ACmixOptions
from acmix.layers.blocks import patch_conv
from acmix.layers.drop_path import drop_path_rates
from acmix.layers.patch_attention import PatchPerformer, PatchSoftmaxAttention
from acmix.models.backbone import FeatureInfo
from acmix.models.vit import (
    PositionEmbedding,
    TokenBackbone,
    TransformerBlock,
    TransformerStage,
    global_mixer,
    mixer_options,
)
from acmix.ops.linear import to_tokens
from acmix.ops.padding import pad_to_multiple

REDUCTION = 16
TOKENS: dict[str, type] = {"performer": PatchPerformer, "transformer": PatchSoftmaxAttention}


class TokensToToken(nn.Cell):
    """Two layers of attention over patches, then a projection of patches.

    The patches are 7 x 7 with stride 4, then twice 3 x 3 with stride 2.

    Shape:
        (B, in_channels, H, W) to (B, ceil(H / 16), ceil(W / 16), dim). Sides that are not multiples
        of 16 are zero-padded.
    """

    def __init__(
        self, in_channels: int, token_dim: int, dim: int, attention: type, dropout: float = 0.0
    ):
        super().__init__()
        self.attention1 = attention(in_channels, token_dim, 7, 4, 2, dropout)
        self.attention2 = attention(token_dim, token_dim, 3, 2, 1, dropout)
        self.project = patch_conv(token_dim, dim, 3, 2, 1)

    def construct(self, x: Tensor) -> Tensor:
        """Make the tokens."""
        x = self.attention2(self.attention1(pad_to_multiple(x, REDUCTION)))
        return to_tokens(self.project(x))


class T2TViT(TokenBackbone):
    """A tokens-to-token vision transformer.

    Args:
        embed_dim: C.
        depth: blocks.
        num_heads: N.
        mlp_ratio: hidden channels of the MLP against C.
        tokens: attention that makes the tokens, ``performer`` or ``transformer``.
        token_dim: its channels.
        token_dropout: dropout there; None is the original's, 0.1 for the performer alone.
        qk_scale: scale of the queries in the blocks; None is 1 / sqrt(C / N). The released weights
            were trained with 1 / sqrt(C), and need it.
        mixer: ``attention`` or ``acmix``.
        num_classes: outputs of the classifier, 0 for the normalised class token.
        in_channels: channels of the images.
        image_size: sides of the images that the position embeddings, sines that are not trained,
            are made for; on others they are stretched.
        drop_path_rate: of the last block; grows linearly from 0.
        features_only, out_indices: see :class:`Backbone`. There is one map, that of the last block;
            the class token attends, and the map is not normalised.
        **acmix_arguments: fields of :class:`ACmixOptions`, by default a projection without bias and
            an initial weight as T2T-ViT's. ``combine='conv'`` is refused.

    Shape:
        (B, in_channels, H, W) to (B, num_classes); any H and W of at least 1.
    """

    default_options = ACmixOptions(qkv_bias=False, qkv_std=0.02)

    def __init__(
        self,
        embed_dim: int = 384,
        depth: int = 14,
        num_heads: int = 6,
        mlp_ratio: float = 3.0,
        tokens: str = "performer",
        token_dim: int = 64,
        token_dropout: float | None = None,
        qk_scale: float | None = None,
        mixer: str = "attention",
        num_classes: int = 1000,
        in_channels: int = 3,
        image_size: int = 224,
        drop_path_rate: float = 0.0,
        features_only: bool = False,
        out_indices: Sequence[int] | None = None,
        **acmix_arguments: Any,
    ):
        super().__init__()
        options = mixer_options(mixer, self.options_from(acmix_arguments))
        check(tokens in TOKENS, f"tokens='{tokens}' is unknown.{suggest(tokens, TOKENS)}")
        if token_dropout is None:
            token_dropout = 0.1 if tokens == "performer" else 0.0
        blocks: list[nn.Cell] = [
            TransformerBlock(
                global_mixer(embed_dim, num_heads, options, with_token=True, scale=qk_scale),
                embed_dim,
                mlp_ratio,
                rate,
            )
            for rate in drop_path_rates(drop_path_rate, (depth,))
        ]
        stage = TransformerStage(
            TokensToToken(in_channels, token_dim, embed_dim, TOKENS[tokens], token_dropout),
            PositionEmbedding(embed_dim, -(-image_size // REDUCTION), class_token=True, sines=True),
            blocks,
        )
        self.stages = nn.CellList([stage])
        info = FeatureInfo(embed_dim, REDUCTION, "stages.0")
        self.finish((info,), num_classes, features_only, out_indices)

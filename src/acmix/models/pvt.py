"""PVT and PVT-ACmix.

PVT: Wang et al., "Pyramid Vision Transformer: A Versatile Backbone for Dense Prediction without
Convolutions", ICCV 2021. PVT-ACmix (Sec. 5.1): the global attention of every block becomes an ACmix
operator with the stage's number of heads. Its code was never released. Our reading, where the paper
leaves it open:

* k and v, which live on a map reduced ``sr_ratio``-fold, reach the convolution path enlarged to the
  size of q, without weights of their own. It is the reading whose costs fit all of the paper's
  tables. The enlargement is bilinear: with nearest neighbours a shift by a pixel would change
  nothing but the borders of blocks.
* The output projection belongs to the attention path, as in the released Swin-ACmix.
* The class token of the last stage attends and is attended to, and is not convolved. Only dense
  heads read the output of the very last convolution path: its parameters get no gradient from the
  classifier.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mindspore import nn

from acmix.errors import check
from acmix.layers.acmix_options import ACmixOptions
from acmix.layers.blocks import PatchEmbed
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

NORM_EPSILON = 1e-6


class PVTBlock(TransformerBlock):
    """A :class:`TransformerBlock` with PVT's epsilon."""

    def __init__(self, mixer: nn.Cell, dim: int, mlp_ratio: float, drop_path_rate: float):
        super().__init__(mixer, dim, mlp_ratio, drop_path_rate, NORM_EPSILON)


class PVT(TokenBackbone):
    """A Pyramid Vision Transformer.

    Args:
        depths: blocks per stage.
        embed_dims: C per stage.
        num_heads: N per stage.
        mlp_ratios: hidden channels of the MLP against C, per stage.
        sr_ratios: by how much the map of keys and values is reduced, per stage.
        mixer: ``attention``, global alone, or ``acmix``.
        num_classes: outputs of the classifier, 0 for the normalised class token.
        in_channels: channels of the images.
        image_size: sides of the images that the position embeddings are made for; on others they
            are stretched.
        patch_size: of the first stage; the others halve the map.
        drop_path_rate: of the last block; grows linearly from 0.
        features_only, out_indices: see :class:`Backbone`. As in PVT's detectors the maps are not
            normalised and there is no class token.
        **acmix_arguments: fields of :class:`ACmixOptions`, by default an initial weight as PVT's.
            ``combine='conv'`` is refused, as a class token can only attend.

    Shape:
        (B, in_channels, H, W) to (B, num_classes); any H and W of at least 1.
    """

    default_options = ACmixOptions(qkv_std=0.02)
    norm_epsilon = NORM_EPSILON

    def __init__(
        self,
        depths: Sequence[int] = (3, 4, 6, 3),
        embed_dims: Sequence[int] = (64, 128, 320, 512),
        num_heads: Sequence[int] = (1, 2, 5, 8),
        mlp_ratios: Sequence[float] = (8, 8, 4, 4),
        sr_ratios: Sequence[int] = (8, 4, 2, 1),
        mixer: str = "attention",
        num_classes: int = 1000,
        in_channels: int = 3,
        image_size: int = 224,
        patch_size: int = 4,
        drop_path_rate: float = 0.0,
        features_only: bool = False,
        out_indices: Sequence[int] | None = None,
        **acmix_arguments: Any,
    ):
        super().__init__()
        options = mixer_options(mixer, self.options_from(acmix_arguments))
        check(
            len({len(depths), len(embed_dims), len(num_heads), len(mlp_ratios), len(sr_ratios)})
            == 1,
            "depths, embed_dims, num_heads, mlp_ratios and sr_ratios must be equally long, got "
            f"{depths}, {embed_dims}, {num_heads}, {mlp_ratios} and {sr_ratios}.",
        )

        def make_mixer(index: int, with_token: bool) -> nn.Cell:
            return global_mixer(
                embed_dims[index],
                num_heads[index],
                options,
                with_token,
                sr_ratio=sr_ratios[index],
            )

        rates = drop_path_rates(drop_path_rate, depths)
        stages, info, before = [], [], in_channels
        for index, (depth, dim) in enumerate(zip(depths, embed_dims, strict=True)):
            reduction, last = patch_size * 2**index, index == len(depths) - 1
            with_token = last and not features_only
            blocks: list[nn.Cell] = [
                PVTBlock(make_mixer(index, with_token), dim, mlp_ratios[index], next(rates))
                for _ in range(depth)
            ]
            position = PositionEmbedding(
                dim,
                -(-image_size // reduction),
                class_token=with_token,
                spare_position=last,
            )
            patches = PatchEmbed(before, dim, 2 if index else patch_size)
            stages.append(TransformerStage(patches, position, blocks))
            info.append(FeatureInfo(dim, reduction, f"stages.{index}"))
            before = dim
        self.stages = nn.CellList(stages)
        self.finish(info, num_classes, features_only, out_indices)

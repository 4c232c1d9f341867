"""Swin Transformer, Swin-ACmix and Conv-Swin.

Swin: Liu et al., "Swin Transformer: Hierarchical Vision Transformer using Shifted Windows",
ICCV 2021. Swin-ACmix (Sec. 5.1): the window attention of every block becomes an ACmix operator; as
in the released checkpoints the fully connected layer has a bias, the output projection belongs to
the attention path, and the convolution sees the map as the shifted windows roll it. Conv-Swin (the
convolution row of the paper's Tab. 6): the window attention becomes a 3x3 convolution, in our
reading without a bias and without the output projection: its 39M parameters leave no room for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mindspore import Tensor, nn

from acmix.errors import check, suggest
from acmix.layers.acmix import ACmix
from acmix.layers.acmix_options import ACmixOptions
from acmix.layers.blocks import Mlp, PatchEmbed, conv, dense, layer_norm
from acmix.layers.drop_path import DropPath, drop_path_rates
from acmix.models.backbone import Backbone, FeatureInfo
from acmix.ops.linear import to_maps, to_tokens
from acmix.ops.padding import crop_tokens, zero_pad_tokens

MIXERS = ("attention", "acmix", "conv")


class TokenConv(nn.Cell):
    """A 3x3 convolution of tokens: (B, H, W, C) to (B, H, W, C)."""

    def __init__(self, dim: int):
        super().__init__()
        self.conv = conv(dim, dim, 3, padding=1)

    def construct(self, x: Tensor) -> Tensor:
        """Convolve."""
        return to_tokens(self.conv(to_maps(x)))


class PatchMerging(nn.Cell):
    """Halve the map and double the channels: (B, H, W, C) to (B, ceil(H / 2), ceil(W / 2), 2 C).

    The four pixels of a patch are concatenated row by row, which is a single transposition; the
    original goes column by column, and the weight converter permutes accordingly.
    """

    fold_norm_into_next = (("norm", "reduction"),)

    def __init__(self, dim: int):
        super().__init__()
        self.norm = layer_norm(4 * dim)
        self.reduction = dense(4 * dim, 2 * dim, has_bias=False)

    def construct(self, x: Tensor) -> Tensor:
        """Pad to even sides, gather 2x2 patches, normalise, project."""
        x = zero_pad_tokens(x, x.shape[1] % 2, x.shape[2] % 2)
        _, height, width, channels = x.shape
        x = x.reshape((-1, 2, width // 2, 2 * channels)).transpose(0, 2, 1, 3)
        x = x.reshape((-1, height // 2, width // 2, 4 * channels))
        return self.reduction(self.norm(x))


class SwinBlock(nn.Cell):
    """Spatial mixer and MLP, each after a LayerNorm and around an identity; tokens (B, H, W, C).

    The mixer sees a map with sides that are multiples of ``pad_to``: zeros follow the norm's output
    at the bottom and right.
    """

    fold_norm_into_next: tuple = (("norm1", "attn"), ("norm2", "mlp"))

    def __init__(
        self,
        mixer: nn.Cell,
        dim: int,
        mlp_ratio: float,
        drop_path_rate: float,
        pad_to: int = 1,
    ):
        super().__init__()
        self.pad_to = pad_to
        if pad_to > 1:  # Behind a norm without its offset the zeros would stand for other values.
            self.fold_norm_into_next = (("norm2", "mlp"),)
        self.norm1 = layer_norm(dim)
        self.attn = mixer
        self.norm2 = layer_norm(dim)
        self.mlp = Mlp(dim, int(dim * mlp_ratio))
        self.drop_path = DropPath(drop_path_rate)
        self.drop_path2 = DropPath(drop_path_rate)

    def construct(self, x: Tensor) -> Tensor:
        """Apply the block."""
        x = x + self.drop_path(self._mix(self.norm1(x)))
        return x + self.drop_path2(self.mlp(self.norm2(x)))

    def _mix(self, x: Tensor) -> Tensor:
        _, height, width, _ = x.shape
        x = zero_pad_tokens(x, -height % self.pad_to, -width % self.pad_to)
        return crop_tokens(self.attn(x), height, width)


class SwinStage(nn.Cell):
    """Blocks at one resolution, after a merging of patches in all stages but the first."""

    def __init__(self, downsample: nn.Cell | None, blocks: list[nn.Cell]):
        super().__init__()
        self.downsample = downsample
        self.blocks = nn.SequentialCell(blocks)

    def construct(self, x: Tensor) -> Tensor:
        """Merge patches, apply the blocks."""
        if self.downsample is not None:
            x = self.downsample(x)
        return self.blocks(x)


class Swin(Backbone):
    """A Swin Transformer.

    Args:
        embed_dim: C, channels of the first stage; doubles with every stage.
        depths: blocks per stage.
        num_heads: N per stage.
        mixer: ``attention``, windows alone, ``acmix``, or ``conv``, a 3x3 convolution.
        num_classes: outputs of the classifier, 0 for pooled features.
        in_channels: channels of the images.
        patch_size, window_size: in pixels of the image, of the stage's map.
        mlp_ratio: hidden channels of the MLP against C.
        drop_path_rate: of the last block; grows linearly from 0.
        mask_padding: hide from the attention what fills up the last windows of a map, so that it
            has no influence. False is Swin's public code for dense tasks: zeros behind the norm
            fill the map up and are attended to, and maps no larger than a window are shifted too.
            Where ACmix convolves then was never released; here it convolves the filled map.
        features_only, out_indices: see :class:`Backbone`. Each chosen map is normalised by a
            LayerNorm of its own, as Swin's detectors do.
        **acmix_arguments: fields of :class:`ACmixOptions`, by default a bias of the
            fully connected layer, a rolled convolution and an initial weight as Swin's.

    Shape:
        (B, in_channels, H, W) to (B, num_classes); any H and W of at least 1.
    """

    default_options = ACmixOptions(fc_bias=True, conv_rolled=True, qkv_std=0.02)

    def __init__(
        self,
        embed_dim: int = 96,
        depths: Sequence[int] = (2, 2, 6, 2),
        num_heads: Sequence[int] = (3, 6, 12, 24),
        mixer: str = "attention",
        num_classes: int = 1000,
        in_channels: int = 3,
        patch_size: int = 4,
        window_size: int = 7,
        mlp_ratio: float = 4.0,
        drop_path_rate: float = 0.0,
        mask_padding: bool = True,
        features_only: bool = False,
        out_indices: Sequence[int] | None = None,
        **acmix_arguments: Any,
    ):
        super().__init__()
        options = self.options_from(acmix_arguments)
        check(mixer in MIXERS, f"mixer='{mixer}' is unknown.{suggest(mixer, MIXERS)}")
        check(
            len(depths) == len(num_heads),
            f"depths and num_heads must be equally long, got {depths} and {num_heads}.",
        )

        if mixer == "attention":
            options = options.with_only_attention()

        def make_mixer(dim: int, heads: int, shift: int) -> nn.Cell:
            if mixer == "conv":
                return TokenConv(dim)
            return ACmix(
                dim,
                dim,
                heads,
                attention="window",
                window_size=window_size,
                shift_size=shift,
                shift_always=not mask_padding,
                **vars(options),
            )

        pad_to = 1 if mask_padding or mixer == "conv" else window_size
        self.patch_embed = PatchEmbed(in_channels, embed_dim, patch_size)
        rates = drop_path_rates(drop_path_rate, depths)
        stages, info = [], []
        for index, (depth, heads) in enumerate(zip(depths, num_heads, strict=True)):
            dim = embed_dim * 2**index
            blocks: list[nn.Cell] = []
            for position in range(depth):
                shift = window_size // 2 if position % 2 else 0
                mix = make_mixer(dim, heads, shift)
                blocks.append(SwinBlock(mix, dim, mlp_ratio, next(rates), pad_to))
            stages.append(SwinStage(PatchMerging(dim // 2) if index else None, blocks))
            info.append(FeatureInfo(dim, patch_size * 2**index, f"stages.{index}"))
        self.stages = nn.CellList(stages)
        self.finish(info, num_classes, features_only, out_indices)
        if features_only:
            self.feature_norms = nn.CellList(
                [layer_norm(info[i].channels) if i in (self.out_indices or ()) else nn.Identity()
                 for i in range(len(info))]
            )  # fmt: skip
        else:
            self.norm = layer_norm(self.num_features)

    def stem(self, x: Tensor) -> Tensor:
        """Embed the patches: tokens (B, H / patch_size, W / patch_size, C)."""
        return self.patch_embed(x)

    def to_feature(self, x: Tensor, index: int) -> Tensor:
        """Normalise a stage's tokens and turn them into a map."""
        return to_maps(self.feature_norms[index](x))

    def pooled(self, x: Tensor) -> Tensor:
        """Normalise the last stage's tokens and average them."""
        return self.pool(self.norm(x), (1, 2))

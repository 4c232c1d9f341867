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

from mindspore import Parameter, Tensor, nn, ops
from mindspore.common.initializer import TruncatedNormal, initializer

from acmix.errors import check, suggest
from acmix.layers.acmix import ACmix
from acmix.layers.acmix_options import ACmixOptions
from acmix.layers.attention.global_ import GlobalAttention
from acmix.layers.blocks import Mlp, PatchEmbed, layer_norm
from acmix.layers.drop_path import DropPath, drop_path_rates
from acmix.models.backbone import Backbone, FeatureInfo
from acmix.ops.linear import to_maps, to_tokens
from acmix.ops.padding import zero_pad_sequence
from acmix.ops.resample import resize
from acmix.utils.cells import Shape

MIXERS = ("attention", "acmix")
NORM_EPSILON = 1e-6


class TokenAttention(GlobalAttention):
    """Global attention in which E tokens without a place in the map take part, as a class token.

    Shape:
        q, k, v: see :class:`GlobalAttention`. tokens: their q, k and v, each (B, 1, E, C).
        Output: (B, H, W, C), and (B, 1, E, C) of the tokens.
    """

    def construct(  # type: ignore[override]  # tokens are what it adds
        self, q: Tensor, k: Tensor, v: Tensor, tokens: tuple[Tensor, Tensor, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Attend; see the class."""
        _, height, width, _ = q.shape
        count = tokens[0].shape[2]
        out = self.attend(
            ops.cat((self.sequence(tokens[0]), self.sequence(q)), 1),
            ops.cat((self.sequence(tokens[1]), self.sequence(k)), 1),
            ops.cat((self.sequence(tokens[2]), self.sequence(v)), 1),
        )
        of_tokens, out = ops.split(out, (count, height * width), 1)
        of_tokens = of_tokens.reshape((-1, 1, count, self.dim))
        return out.reshape((-1, height, width, self.dim)), of_tokens

    def macs(
        self,
        q_shape: Shape,
        k_shape: Shape,
        v_shape: Shape,
        token_shapes: tuple[Shape, ...] = (),
    ) -> dict[str, int]:
        """Multiply-adds of q k and a v: 2 C per pair of pixels or tokens."""
        count = token_shapes[0][2] if token_shapes else 0
        queries, keys = (count + height * width for _, height, width, _ in (q_shape, k_shape))
        return {"attention": 2 * q_shape[0] * queries * keys * self.dim}


class TokenACmix(ACmix):
    """ACmix with a class token, which attends and is attended to, but is not convolved.

    Its attention mode is :class:`TokenAttention`.

    Shape:
        x: see :class:`ACmix`. tokens: (B, 1, E, C_in).
        Output: that of :class:`ACmix`, and (B, 1, E, C) of the tokens.
    """

    def construct(  # type: ignore[override]  # tokens are what it adds
        self, x: Tensor, tokens: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Apply both stages; see the class."""
        context = self.attention.context(x)
        q, k, v = self.qkv(x, context)
        out, tokens = self.attention(q, k, v, self.qkv(tokens, tokens))
        out, tokens = self.weighted(out), self.weighted(tokens)
        return (out if self.conv_path is None else out + self.convolved(x, context)), tokens


class PVTBlock(nn.Cell):
    """Spatial mixer and MLP, each after a LayerNorm and around an identity.

    Shape:
        x: (B, H * W, C), or (B, 1 + H * W, C) with a class token in front. Output: the same.
    """

    fold_norm_into_next = (("norm1", "attn"), ("norm2", "mlp"))

    def __init__(self, mixer: nn.Cell, dim: int, mlp_ratio: float, drop_path_rate: float):
        super().__init__()
        self.dim = dim
        self.norm1 = layer_norm(dim, NORM_EPSILON)
        self.attn = mixer
        self.norm2 = layer_norm(dim, NORM_EPSILON)
        self.mlp = Mlp(dim, int(dim * mlp_ratio))
        self.drop_path = DropPath(drop_path_rate)
        self.drop_path2 = DropPath(drop_path_rate)

    def construct(self, x: Tensor, height: int, width: int) -> Tensor:
        """Apply the block."""
        x = x + self.drop_path(self._mix(self.norm1(x), height, width))
        return x + self.drop_path2(self.mlp(self.norm2(x)))

    def _mix(self, x: Tensor, height: int, width: int) -> Tensor:
        """Apply the mixer to the map, and to the class token if there is one."""
        pixels = height * width
        if x.shape[1] == pixels:
            out = self.attn(x.reshape((-1, height, width, self.dim)))
            return out.reshape((-1, pixels, self.dim))
        token, x = ops.split(x, (1, pixels), 1)
        token = token.reshape((-1, 1, 1, self.dim))
        out, token = self.attn(x.reshape((-1, height, width, self.dim)), token)
        return ops.cat((token.reshape((-1, 1, self.dim)), out.reshape((-1, pixels, self.dim))), 1)


class PositionEmbedding(nn.Cell):
    """Add a learned vector per position, and put a class token in front.

    The vectors are learned for a map of ``size`` x ``size`` and stretched to other maps.

    Args:
        dim: C.
        size: sides of the map in pixels.
        class_token: whether there is a class token; it has a position too.
        spare_position: keep that position without the token, so that a classifier's weights fit.

    Shape:
        (B, H, W, C) to (B, H * W, C), or with a class token to (B, 1 + H * W, C).
    """

    def __init__(
        self, dim: int, size: int, class_token: bool = False, spare_position: bool = False
    ):
        super().__init__()
        self.dim, self.size = dim, size
        self.has_token_position = class_token or spare_position
        init, count = TruncatedNormal(0.02), size**2 + int(self.has_token_position)
        self.pos_embed = Parameter(initializer(init, (1, count, dim)), name="pos_embed")
        self.cls_token = None
        if class_token:
            self.cls_token = Parameter(initializer(init, (1, 1, dim)), name="cls_token")

    def no_weight_decay(self) -> set[str]:
        """Name the parameters that must not decay: the class token."""
        return set() if self.cls_token is None else {"cls_token"}

    def construct(self, x: Tensor) -> Tensor:
        """Embed; see the class."""
        _, height, width, _ = x.shape
        position, token_position = self.pos_embed, None
        if self.has_token_position:
            token_position, position = ops.split(position, (1, self.size**2), 1)
        if (height, width) != (self.size, self.size):
            position = to_maps(position.reshape((1, self.size, self.size, self.dim)))
            position = to_tokens(resize(position, height, width)).reshape((1, -1, self.dim))
        x = x.reshape((-1, height * width, self.dim))
        if self.cls_token is not None:
            position = ops.cat((self.cls_token + token_position, position), 1)
            # Zeros in the token's place: so the token is spread over a batch of any size.
            x = zero_pad_sequence(x, 1)
        return x + position.astype(x.dtype)

    def macs(self, x_shape: Shape) -> dict[str, int]:
        """Count nothing: stretching the vectors does not depend on the images."""
        return {}


class PVTStage(nn.Cell):
    """Embed patches and positions, apply blocks.

    Shape:
        (B, C', H, W) to (B, C, H', W'), and with a class token the pair of that and of (B, C).
    """

    def __init__(self, patch_embed: nn.Cell, position: PositionEmbedding, blocks: list[nn.Cell]):
        super().__init__()
        self.patch_embed, self.position = patch_embed, position
        self.blocks = nn.CellList(blocks)

    def construct(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Apply the stage."""
        x = self.patch_embed(x)
        _, height, width, channels = x.shape
        x = self.position(x)
        for block in self.blocks:
            x = block(x, height, width)
        token = None
        if x.shape[1] > height * width:
            token, x = ops.split(x, (1, height * width), 1)
        x = to_maps(x.reshape((-1, height, width, channels)))
        return x if token is None else (x, token.reshape((-1, channels)))


class PVT(Backbone):
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
        options = self.options_from(acmix_arguments)
        check(mixer in MIXERS, f"mixer='{mixer}' is unknown.{suggest(mixer, MIXERS)}")
        check(
            len({len(depths), len(embed_dims), len(num_heads), len(mlp_ratios), len(sr_ratios)})
            == 1,
            "depths, embed_dims, num_heads, mlp_ratios and sr_ratios must be equally long, got "
            f"{depths}, {embed_dims}, {num_heads}, {mlp_ratios} and {sr_ratios}.",
        )
        check(
            options.combine != "conv",
            "combine='conv' leaves the class token nothing: take another combination.",
        )

        if mixer == "attention":
            options = options.with_only_attention()

        def make_mixer(index: int, with_token: bool) -> nn.Cell:
            operator = TokenACmix if with_token else ACmix
            return operator(
                embed_dims[index],
                embed_dims[index],
                num_heads[index],
                attention=TokenAttention if with_token else "global",
                sr_ratio=sr_ratios[index],
                **vars(options),
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
            stages.append(PVTStage(patches, position, blocks))
            info.append(FeatureInfo(dim, reduction, f"stages.{index}"))
            before = dim
        self.stages = nn.CellList(stages)
        self.finish(info, num_classes, features_only, out_indices)
        if not features_only:
            self.norm = layer_norm(self.num_features, NORM_EPSILON)

    def stem(self, x: Tensor) -> Tensor:
        """Return the images: every stage embeds its own patches."""
        return x

    def pooled(self, x: tuple[Tensor, Tensor]) -> Tensor:
        """Normalise the class token."""
        return self.norm(x[1])

"""Parts of transformers that keep a map as a sequence, with or without a class token in front.

PVT, ConViT, T2T-ViT, CvT and Conformer are made of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from mindspore.common.initializer import TruncatedNormal, initializer

from acmix.errors import check, suggest
from acmix.layers.acmix import ACmix
from acmix.layers.acmix_options import ACmixOptions
from acmix.layers.blocks import Mlp, layer_norm
from acmix.layers.class_token import ClassToken, TokenACmix, TokenAttention, split_tokens
from acmix.layers.drop_path import DropPath
from acmix.layers.gelu import GELU
from acmix.models.backbone import Backbone, FeatureInfo
from acmix.ops.linear import to_maps, to_tokens
from acmix.ops.padding import zero_pad_sequence
from acmix.ops.resample import resize
from acmix.utils.cells import Shape, kept_arguments

MIXERS = ("attention", "acmix")


def mixer_options(mixer: str, options: ACmixOptions) -> ACmixOptions:
    """Return the options of a network's operators: without a convolution path for ``attention``.

    Raises:
        UserError: an unknown mixer, or ``combine='conv'``, as a class token can only attend.
    """
    check(mixer in MIXERS, f"mixer='{mixer}' is unknown.{suggest(mixer, MIXERS)}")
    check(
        options.combine != "conv",
        "combine='conv' leaves the class token nothing: take another combination.",
    )
    return options.with_only_attention() if mixer == "attention" else options


def global_mixer(
    dim: int, num_heads: int, options: ACmixOptions, with_token: bool, **arguments: Any
) -> ACmix:
    """Make the operator of a :class:`TransformerBlock` with global attention.

    Args:
        dim: C.
        num_heads: N.
        options: of the operator.
        with_token: whether a class token takes part.
        **arguments: of :class:`GlobalAttention`.
    """
    apart = with_token and (options.combine != "attention" or arguments.get("sr_ratio", 1) > 1)
    operator = TokenACmix if apart else ACmix
    mode = TokenAttention if apart else "global"
    return operator(dim, dim, num_heads, attention=mode, **arguments, **vars(options))


class TransformerBlock(nn.Cell):
    """Spatial mixer and MLP, each after a LayerNorm and around an identity.

    A mixer is called with the map (B, H, W, C), and where there is a class token with that, too:
    (B, 1, 1, C). A mixer that takes no token, as global attention without positions, sees the token
    as one more pixel, of a map (B, 1, 1 + H W, C).

    Args:
        mixer: the Cell.
        dim: C.
        mlp_ratio: hidden channels of the MLP against C.
        drop_path_rate: probability of dropping each branch.
        epsilon: of the norms.
        activation: of the MLP; GELU if None.

    Shape:
        x: (B, H * W, C), or (B, 1 + H * W, C) with a class token in front. Output: the same.
    """

    fold_norm_into_next = (("norm1", "attn"), ("norm2", "mlp"))

    def __init__(
        self,
        mixer: nn.Cell,
        dim: int,
        mlp_ratio: float,
        drop_path_rate: float,
        epsilon: float = 1e-5,
        activation: GELU | None = None,
    ):
        super().__init__()
        self.dim = dim
        self.token_apart = getattr(mixer, "takes_tokens", False)
        self.norm1 = layer_norm(dim, epsilon)
        self.attn = mixer
        self.norm2 = layer_norm(dim, epsilon)
        self.mlp = Mlp(dim, int(dim * mlp_ratio), activation)
        self.drop_path = DropPath(drop_path_rate)
        self.drop_path2 = DropPath(drop_path_rate)

    def construct(self, x: Tensor, height: int, width: int) -> Tensor:
        """Apply the block."""
        x = x + self.drop_path(self._mix(self.norm1(x), height, width))
        return x + self.drop_path2(self.mlp(self.norm2(x)))

    def _mix(self, x: Tensor, height: int, width: int) -> Tensor:
        """Apply the mixer to the map, and to the class token if there is one."""
        length, pixels = x.shape[1], height * width
        if length == pixels or not self.token_apart:
            rows = height if length == pixels else 1
            out = self.attn(x.reshape((-1, rows, length // rows, self.dim)))
            return out.reshape((-1, length, self.dim))
        out, token = self.attn(*split_tokens(x, height, width))
        return ops.cat((token.reshape((-1, 1, self.dim)), out.reshape((-1, pixels, self.dim))), 1)


class PositionEmbedding(nn.Cell):
    """Add a vector per position, and put a class token in front.

    The vectors are made for a map of ``size`` x ``size`` and stretched to other maps.

    Args:
        dim: C.
        size: sides of the map in pixels.
        class_token: whether there is a class token; it has a position too.
        spare_position: keep that position without the token, so that a classifier's weights fit.
        sines: vectors that are not learned, see :func:`sine_positions`.
        decays: whether the learned vectors take part in weight decay.

    Shape:
        (B, H, W, C) to (B, H * W, C), or with a class token to (B, 1 + H * W, C).
    """

    def __init__(
        self,
        dim: int,
        size: int,
        class_token: bool = False,
        spare_position: bool = False,
        sines: bool = False,
        decays: bool = True,
    ):
        super().__init__()
        self.dim, self.size, self.decays = dim, size, decays
        self.has_token_position = class_token or spare_position
        init, count = TruncatedNormal(0.02), size**2 + int(self.has_token_position)
        value = Tensor(sine_positions(count, dim)[None]) if sines else None
        if value is None:
            value = initializer(init, (1, count, dim))
        self.pos_embed = Parameter(value, name="pos_embed", requires_grad=not sines)
        self.cls_token = None
        if class_token:
            self.cls_token = Parameter(initializer(init, (1, 1, dim)), name="cls_token")

    def extend_repr(self) -> str:
        """Return what ``print`` shows of the Cell beside its parts."""
        return kept_arguments(self)

    def no_weight_decay(self) -> set[str]:
        """Name the parameters that must not decay: the class token, and positions as asked."""
        names = set() if self.cls_token is None else {"cls_token"}
        return names if self.decays else names | {"pos_embed"}

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


def sine_positions(count: int, dim: int) -> np.ndarray:
    """Return vectors of positions in a sequence, (count, dim), float32.

    Vaswani et al., "Attention Is All You Need", NeurIPS 2017, Sec. 3.5: at position p and channel j
    the sine (j even) or cosine (j odd) of p / 10000^(2 floor(j / 2) / dim).
    """
    channel = np.arange(dim)
    angle = np.arange(count)[:, None] / 10000.0 ** (2 * (channel // 2) / dim)
    return np.where(channel % 2, np.cos(angle), np.sin(angle)).astype(np.float32)


class TransformerStage(nn.Cell):
    """Embed patches, then positions if there are any, and apply blocks.

    Args:
        patch_embed: images or maps to tokens (B, H', W', C).
        position: a :class:`PositionEmbedding`, which may put a class token in front, or None.
        blocks: :class:`TransformerBlock`.
        token: a class token that is put in front later than the positions, or None.
        token_at: number of the block before which that is.

    Shape:
        (B, C', H, W) to (B, C, H', W'), and with a class token the pair of that and of (B, C).
    """

    def __init__(
        self,
        patch_embed: nn.Cell,
        position: PositionEmbedding | None,
        blocks: list[nn.Cell],
        token: ClassToken | None = None,
        token_at: int = 0,
    ):
        super().__init__()
        self.patch_embed, self.position = patch_embed, position
        self.token, self.token_at = token, token_at
        self.blocks = nn.CellList(blocks)

    def construct(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Apply the stage."""
        x = self.patch_embed(x)
        _, height, width, channels = x.shape
        if self.position is None:
            x = x.reshape((-1, height * width, channels))
        else:
            x = self.position(x)
        for index in range(len(self.blocks)):
            if self.token is not None and index == self.token_at:
                x = self.token(x)
            x = self.blocks[index](x, height, width)
        token = None
        if x.shape[1] > height * width:
            token, x = ops.split(x, (1, height * width), 1)
        x = to_maps(x.reshape((-1, height, width, channels)))
        return x if token is None else (x, token.reshape((-1, channels)))


class TokenBackbone(Backbone):
    """A backbone whose stages embed their own patches, and whose last one gives a class token.

    The classifier reads the token, behind ``norm``. Maps leave it out and are not normalised.
    """

    norm_epsilon = 1e-5

    def finish(
        self,
        feature_info: Sequence[FeatureInfo],
        num_classes: int,
        features_only: bool,
        out_indices: Sequence[int] | None,
        num_features: int | None = None,
    ) -> None:
        """Make the norm of the token, too; see :meth:`Backbone.finish`."""
        super().finish(feature_info, num_classes, features_only, out_indices, num_features)
        if not features_only:
            self.norm = layer_norm(self.num_features, self.norm_epsilon)

    def stem(self, x: Tensor) -> Tensor:
        """Return the images."""
        return x

    def to_feature(self, x: Tensor | tuple[Tensor, Tensor], index: int) -> Tensor:
        """Leave the class token out."""
        return x[0] if isinstance(x, tuple) else x

    def pooled(self, x: tuple[Tensor, Tensor]) -> Tensor:
        """Normalise the class token."""
        return self.norm(x[1])

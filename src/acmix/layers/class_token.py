"""A class token: a learned vector that attends with the pixels of a map, and stands nowhere in it.

Dosovitskiy et al., "An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale",
ICLR 2021: the classifier reads the token alone.
"""

from __future__ import annotations

from mindspore import Parameter, Tensor, nn, ops
from mindspore.common.initializer import TruncatedNormal, initializer

from acmix.layers.acmix import ACmix
from acmix.layers.attention.global_ import GlobalAttention
from acmix.ops.padding import put_in_front
from acmix.utils.cells import Shape


def split_tokens(x: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Split a sequence (B, E + H * W, C) into the map (B, H, W, C) and the tokens (B, 1, E, C)."""
    _, length, channels = x.shape
    count = length - height * width
    tokens, x = ops.split(x, (count, height * width), 1)
    return x.reshape((-1, height, width, channels)), tokens.reshape((-1, 1, count, channels))


class ClassToken(nn.Cell):
    """Put a learned class token in front: (B, L, C) to (B, 1 + L, C)."""

    def __init__(self, dim: int):
        super().__init__()
        self.cls_token = Parameter(
            initializer(TruncatedNormal(0.02), (1, 1, dim)), name="cls_token"
        )

    def no_weight_decay(self) -> set[str]:
        """Name the parameters that must not decay: the class token."""
        return {"cls_token"}

    def extend_repr(self) -> str:
        """Return what ``print`` shows of the Cell beside its parts."""
        return f"dim={self.cls_token.shape[-1]}"

    def construct(self, x: Tensor) -> Tensor:
        """Put the token in front."""
        return put_in_front(x, self.cls_token)

    def macs(self, x_shape: Shape) -> dict[str, int]:
        """Count nothing: the token is put beside the others."""
        return {}


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
        out = self.attend(
            ops.cat((self.sequence(tokens[0]), self.sequence(q)), 1),
            ops.cat((self.sequence(tokens[1]), self.sequence(k)), 1),
            ops.cat((self.sequence(tokens[2]), self.sequence(v)), 1),
        )
        return split_tokens(out, height, width)

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

    takes_tokens = True

    def construct(  # type: ignore[override]  # tokens are what it adds
        self, x: Tensor, tokens: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Apply both stages; see the class."""
        context = self.attention.context(x)
        q, k, v = self.qkv(x, context)
        out, tokens = self.attention(q, k, v, self.qkv(tokens, tokens))
        out, tokens = self.weighted(out), self.weighted(tokens)
        return (out if self.conv_path is None else out + self.convolved(x, context)), tokens

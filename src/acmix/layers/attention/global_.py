"""Global attention with PVT's spatial reduction (Eq. 20; PVT, ICCV 2021)."""

from __future__ import annotations

from mindspore import Tensor

from acmix.errors import check
from acmix.layers.attention.base import register_attention
from acmix.layers.attention.softmax import SoftmaxAttention
from acmix.layers.blocks import dense, layer_norm, torch_conv
from acmix.ops.linear import rescale, to_maps, to_tokens
from acmix.ops.padding import zero_pad
from acmix.utils.cells import Shape


@register_attention("global")
class GlobalAttention(SoftmaxAttention):
    r"""Multi-head attention of every pixel to the whole map, then a linear projection.

    .. math:: A = \mathrm{softmax}(q k^\top / \sqrt d)

    With ``sr_ratio`` R above 1, k and v are projected from a map reduced R-fold by a convolution
    over R x R patches and a LayerNorm; as in PVT an incomplete patch at the end is dropped, but a
    map smaller than a patch is zero-padded to one. There is no positional encoding.

    Args:
        dim: C, channels of q, k and v.
        num_heads: N, a divisor of C.
        in_channels: of the map that is reduced; C if None.
        sr_ratio: R.
        scale: factor of q, 1 / sqrt(d) if None.

    Shape:
        q and output: (B, H, W, C). k, v: (B, H', W', C), the size being ``context_size(H, W)``.
    """

    data_format = "NHWC"

    def __init__(
        self,
        dim: int,
        num_heads: int,
        in_channels: int | None = None,
        sr_ratio: int = 1,
        scale: float | None = None,
    ):
        super().__init__(dim, num_heads)
        if scale is not None:
            self.scale = scale
        check(sr_ratio >= 1, f"sr_ratio must be at least 1, got {sr_ratio}.")
        self.reduction = sr_ratio
        if sr_ratio > 1:
            in_channels = in_channels or dim
            self.sr = torch_conv(in_channels, in_channels, sr_ratio, sr_ratio)
            self.norm = layer_norm(in_channels)
        self.proj = dense(dim, dim)

    def extend_repr(self) -> str:
        """Return what ``print`` shows of the Cell beside its parts."""
        return f"{super().extend_repr()}, sr_ratio={self.reduction}"

    def context_size(self, height: int, width: int) -> tuple[int, int]:
        """Return the size of the map that the keys of an H x W map lie on."""
        return max(height // self.reduction, 1), max(width // self.reduction, 1)

    def context(self, x: Tensor) -> Tensor:
        """Reduce the map that k and v are projected from: (B, H, W, C) to (B, H', W', C)."""
        if self.reduction == 1:
            return x
        x = to_maps(x)
        bottom = max(self.reduction - x.shape[2], 0)
        right = max(self.reduction - x.shape[3], 0)
        return self.norm(to_tokens(self.sr(zero_pad(x, 0, bottom, 0, right))))

    def construct(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend; see the class."""
        _, height, width, _ = q.shape
        out = self.attend(self.sequence(q), self.sequence(k), self.sequence(v))
        return out.reshape((-1, height, width, self.dim))

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend over sequences: queries (B, L, C), keys and values (B, M, C) to (B, L, C)."""
        length = q.shape[1]
        logits = self.logits(self._heads(rescale(q, self.scale)), self._heads(k))
        attention = self.softmax(logits).astype(v.dtype)
        return self.joined(self.weighted_sum(attention, self._heads(v)), length)

    def joined(self, out: Tensor, length: int) -> Tensor:
        """Join the heads' outputs (B * N, L, d) and project them: (B, L, C)."""
        out = out.reshape((-1, self.num_heads, length, self.head_dim))
        return self.proj(out.transpose(0, 2, 1, 3).reshape((-1, length, self.dim)))

    def sequence(self, x: Tensor) -> Tensor:
        """Rearrange (B, H, W, C) into (B, L, C)."""
        return x.reshape((-1, x.shape[1] * x.shape[2], self.dim))

    def _heads(self, x: Tensor) -> Tensor:
        """Rearrange (B, L, C) into (B * N, L, d)."""
        length = x.shape[1]
        x = x.reshape((-1, length, self.num_heads, self.head_dim)).transpose(0, 2, 1, 3)
        return x.reshape((-1, length, self.head_dim))

    def macs(self, q_shape: Shape, k_shape: Shape, v_shape: Shape) -> dict[str, int]:
        """Multiply-adds of q k and a v: 2 C per pair of pixels."""
        batch, height, width, _ = q_shape
        return {"attention": 2 * batch * height * width * k_shape[1] * k_shape[2] * self.dim}

"""Window attention, plain and shifted, with relative position bias (Eq. 19; Swin, ICCV 2021)."""

from __future__ import annotations

from typing import Any

from mindspore import Parameter, Tensor, nn
from mindspore import dtype as mstype
from mindspore.common.initializer import TruncatedNormal, initializer

from acmix.errors import check
from acmix.layers.attention.base import register_attention
from acmix.layers.attention.softmax import SoftmaxAttention
from acmix.layers.blocks import dense
from acmix.layers.inference import frozen
from acmix.layers.rearrange import Rearrange
from acmix.ops import windows
from acmix.ops.constants import constant, tensor_constant
from acmix.ops.linear import rescale, take_rows
from acmix.utils.cells import Shape
from acmix.utils.parameters import forget

_window_rows = tensor_constant(windows.window_rows)
_image_rows = tensor_constant(windows.image_rows)
_window_mask = tensor_constant(windows.window_mask)
_mask_of_heads = tensor_constant(windows.mask_of_heads)
_relative_position_index = tensor_constant(windows.relative_position_index)


@constant
def _has_mask(height: int, width: int, window_size: int, shift: int) -> bool:
    return windows.window_mask(height, width, window_size, shift) is not None


@register_attention("window")
class WindowAttention(SoftmaxAttention):
    r"""Multi-head attention inside of w x w windows, then a linear projection.

    .. math:: A = \mathrm{softmax}(q k^\top / \sqrt d + b)

    with b from a learned table by relative position. The windows are shifted by ``shift_size``
    pixels, cyclically, with a mask between pixels that are not neighbours in the image. A map whose
    sides are not multiples of w is padded, and the padding is masked: it has no influence. As in
    the original classifier, a map no larger than a window is not shifted.

    Args:
        dim: C, channels of q, k and v.
        num_heads: N, a divisor of C.
        window_size: w.
        shift_size: pixels, 0 to w - 1.
        shift_always: shift maps no larger than a window too, as Swin's code for dense tasks does.
        position_bias: whether there is a table, and b is not zero.

    Shape:
        q, k, v and output: (B, H, W, C), any H and W of at least 1.
    """

    data_format = "NHWC"
    rolls = True

    def __init__(
        self,
        dim: int,
        num_heads: int,
        window_size: int = 7,
        shift_size: int = 0,
        shift_always: bool = False,
        position_bias: bool = True,
    ):
        super().__init__(dim, num_heads)
        check(window_size >= 1, f"window_size must be at least 1, got {window_size}.")
        check(
            0 <= shift_size < window_size,
            f"shift_size must be from 0 to window_size - 1 = {window_size - 1}, got {shift_size}.",
        )
        self.window_size, self.shift_size = window_size, shift_size
        self.shift_always = shift_always
        self.rearrange = Rearrange()
        self.area = window_size**2
        self.position_bias = position_bias
        self.relative_position_bias_table: Any = None
        if position_bias:
            self.relative_position_bias_table = Parameter(
                initializer(TruncatedNormal(0.02), ((2 * window_size - 1) ** 2, num_heads)),
                name="relative_position_bias_table",
            )
        self.fixed_bias: Any = None
        self.proj = dense(dim, dim)

    def no_weight_decay(self) -> set[str]:
        """Name the parameters that must not decay: the bias table."""
        return {"relative_position_bias_table"} if self.position_bias else set()

    def active_shift(self, height: int, width: int) -> int:
        """Return the shift used for an H x W map: as a rule none if one window covers a side."""
        shifted = self.shift_always or min(height, width) > self.window_size
        return self.shift_size if shifted else 0

    def construct(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Attend; see the class."""
        _, height, width, _ = q.shape
        size = (height, width, self.window_size, self.active_shift(height, width))
        rows, back = _window_rows(*size, self.num_heads), _image_rows(*size, self.num_heads)
        q = self._windows(rescale(q, self.scale), rows, back)
        k, v = self._windows(k, rows, back), self._windows(v, rows, back)

        logits = self.logits(q, k).astype(mstype.float32)
        if self.position_bias:
            bias = self._bias() if self.fixed_bias is None else self.fixed_bias
            if _has_mask(*size):
                bias = _window_mask(*size) + bias
                bias = bias.reshape((-1, self.area, self.area))
            logits = self.add(logits, bias)
        elif _has_mask(*size):
            logits = self.add(logits, _mask_of_heads(*size, self.num_heads))
        attention = self.softmax(logits).astype(v.dtype).reshape((-1, self.area, self.area))

        out = self.weighted_sum(attention, v).reshape((-1, rows.shape[0], self.head_dim))
        padded = rows.shape[0] > back.shape[0]
        out = take_rows(out, back) if padded else self.rearrange(out, back, rows)
        return self.proj(out.reshape((-1, height, width, self.dim)))

    def _bias(self) -> Tensor:
        """Look up the bias of every pair of pixels: (N, w^2, w^2)."""
        table = self.relative_position_bias_table.astype(mstype.float32)
        table = table.reshape((1, -1, self.num_heads))
        bias = take_rows(table, _relative_position_index(self.window_size))
        return bias.reshape((self.area, self.area, self.num_heads)).transpose(2, 0, 1)

    def for_inference(self) -> nn.Cell:
        """Replace the table by the biases that are looked up in it."""
        if self.position_bias and self.fixed_bias is None:
            self.fixed_bias = frozen(self._bias().asnumpy(), "fixed_bias")
            forget(self, "relative_position_bias_table")
        return self

    def _windows(self, x: Tensor, rows: Tensor, back: Tensor) -> Tensor:
        """Rearrange (B, H, W, C) into (B * windows * N, w^2, d).

        The copies in its padding are masked as keys and dropped as queries.
        """
        _, height, width, _ = x.shape
        x = x.reshape((-1, height * width * self.num_heads, self.head_dim))
        return self.rearrange(x, rows, back).reshape((-1, self.area, self.head_dim))

    def macs(self, q_shape: Shape, k_shape: Shape, v_shape: Shape) -> dict[str, int]:
        """Multiply-adds of q k and a v: 2 w^2 C per pixel of the padded map."""
        batch, height, width, _ = q_shape
        windows_count = -(-height // self.window_size) * -(-width // self.window_size)
        return {"attention": 2 * batch * windows_count * self.area**2 * self.dim}

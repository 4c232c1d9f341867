"""ACmix: self-attention and convolution sharing one projection (Sec. 4)."""

from __future__ import annotations

from typing import Any

import numpy as np
from mindspore import Parameter, Tensor, float32, nn

from acmix.errors import check
from acmix.layers.acmix_folding import fold_input, fold_output, freeze
from acmix.layers.acmix_options import COMBINATIONS, check_channels, split_options
from acmix.layers.attention import AttentionMode, attention_class, build_attention
from acmix.layers.conv_path import ConvPath
from acmix.layers.qkv import QKVProjection
from acmix.utils.cells import keep_whole, kept_arguments


@keep_whole
class ACmix(nn.Cell):
    r"""Self-attention and convolution on one projection (Eq. 13).

    .. math:: F_{out} = \alpha F_{att}(q, k, v) + \beta F_{conv}(q, k, v)

    Stage I projects x to q, k and v. Stage II gives them to an attention mode and to the
    convolution path, and adds the outputs with learned scalar weights.

    Args:
        in_channels: channels of x.
        out_channels: C, channels of the output; ``in_channels`` if None.
        num_heads: N, a divisor of C.
        qk_channels: channels of q and of k, a multiple of C / N; C if None.
        attention: name or class of the attention mode, see :mod:`acmix.layers.attention`.
        stride: step of the output grid, for modes that have it.
        dilation: of the neighbourhood and of the convolution, for modes that have it.
        **arguments: the fields of :class:`ACmixOptions`, ``combine``, ``conv_kernel_size``, ...,
            and the arguments of the mode, ``kernel_size``, ``window_size``, ...

    Shape:
        x: (B, C_in, H, W), or (B, H, W, C_in) if the mode's data format is ``NHWC``.
        Output: the same with C channels and sides divided by ``stride``, rounded up.

    Raises:
        UserError: an argument is unknown or out of its range.

    Example:
        >>> ACmix(64, num_heads=4)(ops.ones((1, 64, 14, 14))).shape  # (1, 64, 14, 14)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int | None = None,
        num_heads: int = 4,
        *,
        qk_channels: int | None = None,
        attention: str | type[AttentionMode] = "local",
        stride: int = 1,
        dilation: int = 1,
        **arguments: Any,
    ):
        super().__init__()
        options, mode_arguments = split_options(arguments)
        channels = out_channels or in_channels
        qk_channels = qk_channels or channels
        check_channels(channels, qk_channels, num_heads)
        head_dim = channels // num_heads
        self.in_channels, self.out_channels, self.num_heads = in_channels, channels, num_heads
        self.combine, self.combination = options.combine, COMBINATIONS[options.combine]
        self.data_format = attention_class(attention, mode_arguments).data_format
        projected = (qk_channels, qk_channels, channels)
        self.qkv: Any = QKVProjection(
            in_channels, projected, self.data_format, options.qkv_bias, options.qkv_std
        )
        self.attention: Any = None
        if self.combination.attention:
            self.attention = build_attention(
                attention, dim=channels, num_heads=num_heads, in_channels=in_channels,
                qk_channels=qk_channels, stride=stride, dilation=dilation, **mode_arguments,
            )  # fmt: skip
        self.conv_rolled = options.conv_rolled and self.attention is not None
        check(
            not self.conv_rolled or self.attention.rolls,
            f"conv_rolled=True needs an attention mode that rolls the map, not '{attention}'.",
        )
        self.conv_path: Any = None
        if self.combination.conv:
            self.conv_path = ConvPath(
                head_dim, sum(projected) // head_dim, channels, options.conv_kernel_size,
                stride, dilation, options.conv_variant, options.fc_bias, options.conv_impl,
                in_channels=in_channels, data_format=self.data_format,
                query_features=qk_channels // head_dim,
                reduction=1 if self.attention is None else self.attention.reduction,
            )  # fmt: skip
        self.alpha: Any = None
        self.beta: Any = None
        if self.combination.attention == "learned":
            self.alpha = Parameter(Tensor([0.5], float32), name="alpha")
        if self.combination.conv == "learned":
            self.beta = Parameter(Tensor([0.5], float32), name="beta")

    def extend_repr(self) -> str:
        """Return what ``print`` shows of the Cell beside its parts."""
        return kept_arguments(self, combine=self.combine, data_format=self.data_format)

    def no_weight_decay(self) -> set[str]:
        """Name the parameters that must not decay: the learned weights of the paths."""
        return {name for name in ("alpha", "beta") if getattr(self, name) is not None}

    def construct(self, x: Tensor) -> Tensor:
        """Apply both stages; see the class."""
        if self.attention is None:
            return self.convolved(x, x)
        context = self.attention.context(x)
        q, k, v = self.qkv(x, context)
        out = self.weighted(self.attention(q, k, v))
        return out if self.conv_path is None else out + self.convolved(x, context)

    def weighted(self, attended: Tensor) -> Tensor:
        """Multiply the attention path's output by alpha."""
        return attended if self.alpha is None else attended * self.alpha.astype(attended.dtype)

    def convolved(self, x: Tensor, context: Tensor) -> Tensor:
        """Return the convolution path's output times beta, which scales its small kernel."""
        shift = self.attention.active_shift(x.shape[1], x.shape[2]) if self.conv_rolled else 0
        beta = 1 - self.alpha if self.combination.conv == "rest" else self.beta
        return self.conv_path.convolve(x, context, self.qkv.weight, self.qkv.bias, beta, shift)

    def path_weights(self) -> dict[str, float]:
        """Return the present weights of the paths there are, by ``alpha`` and ``beta``."""
        alpha = 1.0 if self.alpha is None else float(self.alpha.asnumpy()[0])
        beta = 1.0 if self.beta is None else float(self.beta.asnumpy()[0])
        beta = 1 - alpha if self.combination.conv == "rest" else beta
        weights = {"alpha": alpha} if self.combination.attention else {}
        return weights | ({"beta": beta} if self.combination.conv else {})

    def macs(self, x_shape: tuple[int, ...], *_: Any) -> dict[str, int]:
        """Multiply-adds of the convolution path (Tab. 1), as the paper defines it on q, k, v."""
        if self.conv_path is None:
            return {}
        size = x_shape[2:] if self.data_format == "NCHW" else x_shape[1:3]
        reduced = size if self.attention is None else self.attention.context_size(*size)
        sizes = (size, reduced, reduced)
        shapes = [(x_shape[0], c, *hw) for c, hw in zip(self.qkv.channels, sizes, strict=True)]
        return self.conv_path.macs(*shapes)

    def for_inference(self) -> nn.Cell:
        """See :mod:`acmix.layers.inference`."""
        freeze(self)
        return self

    def absorb_output(self, scale: np.ndarray, shift: np.ndarray) -> bool:
        """See :mod:`acmix.layers.inference`."""
        return fold_output(self, scale, shift)

    def absorb_input(self, scale: np.ndarray, shift: np.ndarray) -> bool:
        """See :mod:`acmix.layers.inference`."""
        return fold_input(self, scale, shift)

"""ACmix: self-attention and convolution sharing one projection (Sec. 4)."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from mindspore.common.initializer import TruncatedNormal, initializer

from acmix.errors import check, suggest
from acmix.layers.attention import attention_class, build_attention
from acmix.layers.conv_path import ConvPath
from acmix.ops.linear import project, to_maps, to_tokens
from acmix.ops.padding import roll_tokens
from acmix.ops.resample import upsample


class Combination(NamedTuple):
    """Weight of each path: None (no such path), ``one``, ``learned`` or ``rest`` (1 - alpha)."""

    attention: str | None
    conv: str | None


COMBINATIONS = {
    "attention": Combination("one", None),
    "conv": Combination(None, "one"),
    "sum": Combination("one", "one"),
    "alpha": Combination("learned", "one"),
    "beta": Combination("one", "learned"),
    "complement": Combination("learned", "rest"),
    "both": Combination("learned", "learned"),
}
"""The rows of the paper's Tab. 6 by name; ``both`` is ACmix."""


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
        attention: name of the attention mode, see :mod:`acmix.layers.attention`.
        kernel_conv: k_c, odd kernel size of the convolution path.
        stride: step of the output grid, for modes that have it.
        dilation: of the neighbourhood and of the convolution, for modes that have it.
        combine: which paths there are and how they are weighted, a name in ``COMBINATIONS``.
        conv_kernel: ``learnable``, ``random``, ``fixed`` or ``shift``, see :class:`ConvPath`.
        conv_impl: ``auto``, ``dense``, ``group`` or ``block``, see :class:`ConvPath`.
        qkv_bias: whether the projection has a bias.
        fc_bias: whether the convolution path's fully connected layer has a bias.
        conv_rolled: convolve the map as the attention's cyclic shift rolls it, wrapping around, as
            the released Swin-ACmix does; False convolves the image, as the paper writes it.
        qkv_std: standard deviation of the projection's start, 1 / sqrt(C_in) if None.
        **attention_arguments: further arguments of the mode: kernel_size, window_size, ...

    Shape:
        x: (B, C_in, H, W), or (B, H, W, C_in) if the mode's layout is ``NHWC``.
        extra: (B, 1, E, C_in), optional, for modes that take it: tokens without a place in the map,
        as a class token. They attend and are attended to, and are not convolved.
        Output: the same with C channels and sides divided by ``stride``, rounded up; with ``extra``
        the pair of that and of (B, 1, E, C).

    Raises:
        UserError: an argument is unknown or out of its range.

    Example:
        >>> ACmix(64, num_heads=4)(ops.ones((1, 64, 14, 14))).shape
        (1, 64, 14, 14)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int | None = None,
        num_heads: int = 4,
        *,
        qk_channels: int | None = None,
        attention: str = "local",
        kernel_conv: int = 3,
        stride: int = 1,
        dilation: int = 1,
        combine: str = "both",
        conv_kernel: str = "learnable",
        conv_impl: str = "auto",
        qkv_bias: bool = True,
        fc_bias: bool = False,
        conv_rolled: bool = False,
        qkv_std: float | None = None,
        **attention_arguments: Any,
    ):
        super().__init__()
        out_channels = out_channels or in_channels
        check(
            num_heads >= 1 and out_channels % num_heads == 0,
            f"out_channels must be a multiple of num_heads, got {out_channels} and {num_heads}.",
        )
        qk_channels = qk_channels or out_channels
        head_dim = out_channels // num_heads
        check(
            qk_channels % head_dim == 0,
            f"qk_channels must be a multiple of out_channels / num_heads = {head_dim}, "
            f"got {qk_channels}.",
        )
        check(
            combine in COMBINATIONS,
            f"combine='{combine}' is unknown.{suggest(combine, COMBINATIONS)}",
        )
        self.in_channels, self.out_channels, self.num_heads = in_channels, out_channels, num_heads
        self.qkv_channels = (qk_channels, qk_channels, out_channels)
        self.layout = attention_class(attention).layout
        self.combine = combine
        self.weights = COMBINATIONS[combine]

        start = TruncatedNormal(in_channels**-0.5 if qkv_std is None else qkv_std)
        projected = sum(self.qkv_channels)
        self.qkv_weight = Parameter(initializer(start, (projected, in_channels)), name="qkv_weight")
        self.qkv_bias = None
        if qkv_bias:
            self.qkv_bias = Parameter(initializer("zeros", (projected,)), name="qkv_bias")

        self.attention: Any = None
        self.reduction = 1
        if self.weights.attention:
            self.attention = build_attention(
                attention,
                dim=out_channels,
                num_heads=num_heads,
                in_channels=in_channels,
                qk_channels=qk_channels,
                stride=stride,
                dilation=dilation,
                **attention_arguments,
            )
            self.reduction = getattr(self.attention, "reduction", 1)
        self.conv_rolled = conv_rolled and self.attention is not None
        check(
            not self.conv_rolled or hasattr(self.attention, "active_shift"),
            f"conv_rolled=True needs an attention mode that rolls the map, not '{attention}'.",
        )
        self.conv_path: Any = None
        if self.weights.conv:
            self.conv_path = ConvPath(
                head_dim,
                projected // head_dim,
                out_channels,
                kernel_conv,
                stride,
                dilation,
                kernel=conv_kernel,
                fc_bias=fc_bias,
                impl=conv_impl,
                in_channels=in_channels,
                reduced=self.reduction > 1,
            )
        half = np.array([0.5], np.float32)
        self.alpha: Any = None
        self.beta: Any = None
        if self.weights.attention == "learned":
            self.alpha = Parameter(Tensor(half), name="alpha")
        if self.weights.conv == "learned":
            self.beta = Parameter(Tensor(half), name="beta")

    def construct(self, x: Tensor, extra: Tensor | None = None):
        """Apply both stages; see the class."""
        context = x if self.reduction == 1 else self.attention.context(x)
        out, extra_out = None, None
        if self.attention is not None:
            q, k, v = self.qkv(x, context)
            if extra is None:
                out = self.attention(q, k, v)
            else:
                out, extra_out = self.attention(q, k, v, self.qkv(extra, extra))
            if self.alpha is not None:
                out = out * self.alpha.astype(out.dtype)
                extra_out = None if extra is None else extra_out * self.alpha.astype(out.dtype)
        if self.conv_path is not None:
            convolved = self._convolve(x, context)
            out = convolved if out is None else out + convolved
        return out if extra is None else (out, extra_out)

    def qkv(self, x: Tensor, context: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Stage I: project x to q, and the context to k and v (Eq. 11), in the layout of x.

        The context is x itself, or the smaller map that the attention mode makes of it.
        """
        # Three products instead of one, because cutting the large result would copy it.
        weights = ops.split(self.qkv_weight, self.qkv_channels, 0)
        if self.qkv_bias is None:
            biases = (None, None, None)
        else:
            biases = ops.split(self.qkv_bias, self.qkv_channels, 0)
        return (
            project(x, weights[0], biases[0], self.layout),
            project(context, weights[1], biases[1], self.layout),
            project(context, weights[2], biases[2], self.layout),
        )

    def path_weights(self) -> dict[str, float]:
        """Return the present weights of the paths there are, by ``alpha`` and ``beta``."""
        alpha = 1.0 if self.alpha is None else float(self.alpha.asnumpy()[0])
        beta = 1.0 if self.beta is None else float(self.beta.asnumpy()[0])
        weights = {}
        if self.weights.attention:
            weights["alpha"] = alpha
        if self.weights.conv:
            weights["beta"] = 1 - alpha if self.weights.conv == "rest" else beta
        return weights

    def _convolve(self, x: Tensor, context: Tensor) -> Tensor:
        """Apply the convolution path with its weight, in the layout of x."""
        shift = 0
        if self.conv_rolled:
            shift = self.attention.active_shift(x.shape[1], x.shape[2])
            x = roll_tokens(x, -shift)
        scale = 1 - self.alpha if self.weights.conv == "rest" else self.beta
        if self.conv_path.dense:
            out = self._convolve_densely(x, context, scale)
        else:
            out = self.conv_path.aggregate(self._maps(x, context), scale)
        return out if self.layout == "NCHW" else roll_tokens(to_tokens(out), shift)

    def _convolve_densely(self, x: Tensor, context: Tensor, scale: Tensor | None) -> Tensor:
        """Convolve x, and the context if there is one, to (B, C, H', W')."""
        inputs = dense_input(x, context, self.layout, self.reduction)
        return self.conv_path.convolve(inputs, *side_by_side(self.folded()), scale)

    def _maps(self, x: Tensor, context: Tensor) -> Tensor:
        """Project x, and the context if there is one, to the maps of the convolution path."""
        folded = self.folded()
        maps = self._project_to_maps(x, *folded[0])
        if self.reduction == 1:
            return maps
        # The projection mixes channels, the enlargement mixes pixels: they commute, so the share of
        # k and v in the maps is computed on the small map and enlarged.
        reduced = self._project_to_maps(context, *folded[1])
        return maps + upsample(reduced, self.reduction, maps.shape[2], maps.shape[3])

    def _project_to_maps(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        projected = project(x, weight, bias, self.layout)
        return projected if self.layout == "NCHW" else to_maps(projected)

    def folded(self) -> tuple[tuple[Tensor, Tensor | None], ...]:
        """Fold the projection with the fully connected layer, see :meth:`ConvPath.fold`.

        Returns:
            The weight and bias by which the maps come from x. With a reduced context two of them:
            by which q's share comes from x, and by which that of k and v comes from the context.
        """
        if self.reduction == 1:
            return (self.conv_path.fold(self.qkv_weight, self.qkv_bias),)
        parts = (self.qkv_channels[0], self.qkv_channels[1] + self.qkv_channels[2])
        weights, biases = ops.split(self.qkv_weight, parts, 0), (None, None)
        if self.qkv_bias is not None:
            biases = ops.split(self.qkv_bias, parts, 0)
        first = parts[0] // self.conv_path.head_dim
        return (
            self.conv_path.fold(weights[0], biases[0], 0),
            self.conv_path.fold(weights[1], biases[1], first),
        )

    def for_inference(self) -> nn.Cell:
        """Return the form with composed weights, see :mod:`acmix.layers.inference`."""
        from acmix.layers.acmix_inference import InferenceACmix

        return InferenceACmix(self)

    def macs(self, x_shape, extra_shape=None) -> dict[str, int]:
        """Multiply-adds of Stage I and of the convolution path (Tab. 1), as the paper counts them.

        The fully connected layer is counted as the paper defines it, after q, k and v, although it
        is computed folded into the projection.
        """
        height, width = x_shape[2:] if self.layout == "NCHW" else x_shape[1:3]
        size = height, width
        if self.reduction > 1:
            size = self.attention.context_size(height, width)
        query, key, value = self.qkv_channels
        shapes = (
            (x_shape[0], query, height, width),
            (x_shape[0], key, *size),
            (x_shape[0], value, *size),
        )
        extras = (
            0 if extra_shape is None else extra_shape[0] * extra_shape[2] * sum(self.qkv_channels)
        )
        counts = {"projection": self.in_channels * (sum(map(prod, shapes)) + extras)}
        if self.conv_path is not None:
            counts.update(self.conv_path.macs(*shapes))
        return counts


def dense_input(x: Tensor, context: Tensor, layout: str, reduction: int) -> Tensor:
    """Return what the dense convolution path reads: x, and beside it the context, enlarged to it.

    Returns:
        (B, C_in, H, W), or (B, 2 C_in, H, W) with a reduced context.
    """
    x = x if layout == "NCHW" else to_maps(x)
    if reduction == 1:
        return x
    return ops.cat((x, upsample(to_maps(context), reduction, x.shape[2], x.shape[3])), 1)


def side_by_side(folded: tuple) -> tuple[Tensor, Tensor | None]:
    """Join what :meth:`ACmix.folded` returns to one linear map of :func:`dense_input`."""
    if len(folded) == 1:
        return folded[0]
    (own, bias), (reduced, more) = folded
    if more is not None:
        bias = more if bias is None else bias + more
    return ops.cat((own, reduced), 1), bias

"""Stage I of ACmix: the projection that both paths share (Sec. 4.3)."""

from __future__ import annotations

from typing import Any

import numpy as np
from mindspore import Parameter, Tensor, nn
from mindspore.common.initializer import TruncatedNormal, initializer

from acmix.errors import check
from acmix.layers.inference import absorb_input, fixed_linear
from acmix.layers.row_bias import bias_addition
from acmix.ops.linear import project, split_rows
from acmix.utils.cells import kept_arguments


class QKVProjection(nn.Cell):
    """Project x to q, and its context to k and v (Eq. 11), by 1x1 convolutions.

    Args:
        in_channels: C_in, channels of x and of the context.
        channels: of q, of k and of v.
        data_format: ``NCHW`` or ``NHWC``, of the input and the output.
        has_bias: whether there is a bias.
        std: standard deviation of the initial weight, 1 / sqrt(C_in) if None.
        stride: q, k and v are those of the pixels ``[::stride, ::stride]``, for ``NCHW``.

    Shape:
        x, context: (B, C_in, H, W), or (B, H, W, C_in) for ``NHWC``; the context may be smaller.
        Output: the same with the channels of q, of k and of v, and sides divided by ``stride``,
        rounded up.
    """

    def __init__(
        self,
        in_channels: int,
        channels: tuple[int, int, int],
        data_format: str,
        has_bias: bool = True,
        std: float | None = None,
        stride: int = 1,
    ):
        super().__init__()
        check(
            stride == 1 or data_format == "NCHW",
            f"stride must be 1 for data_format='{data_format}', got {stride}.",
        )
        self.channels, self.data_format, self.stride = channels, data_format, stride
        init = TruncatedNormal(in_channels**-0.5 if std is None else std)
        total = sum(channels)
        self.weight = Parameter(initializer(init, (total, in_channels)), name="weight")
        self.bias = None
        if has_bias:
            self.bias = Parameter(initializer("zeros", (total,)), name="bias")
        self.add_bias: Any = bias_addition(data_format)

    def extend_repr(self) -> str:
        """Return what ``print`` shows of the Cell beside its parts."""
        in_channels, has_bias = self.weight.shape[1], self.bias is not None
        return kept_arguments(self, in_channels=in_channels, has_bias=has_bias)

    def construct(self, x: Tensor, context: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Project; see the class."""
        # Three products instead of one, because cutting the large result would copy it.
        weights = split_rows(self.weight, self.channels)
        biases = (None, None, None)
        if self.bias is not None:
            biases = split_rows(self.bias, self.channels)
        how = self.data_format, self.stride, self.add_bias
        return (
            project(x, weights[0], biases[0], *how),
            project(context, weights[1], biases[1], *how),
            project(context, weights[2], biases[2], *how),
        )

    def freeze(self, used: bool = True) -> FrozenQKV:
        """Return the projection for inference."""
        return FrozenQKV(self, used)

    def macs(self, x_shape: tuple[int, ...], context_shape: tuple[int, ...]) -> dict[str, int]:
        """Multiply-adds: C_in per number of q, k and v."""
        maps, (query, key, value) = self.data_format == "NCHW", self.channels
        in_channels = x_shape[1 if maps else 3]
        pixels, keys = (
            batch * -(-height // self.stride) * -(-width // self.stride)
            for batch, height, width in (
                (shape[0], *(shape[2:] if maps else shape[1:3]))
                for shape in (x_shape, context_shape)
            )
        )
        return {"projection": in_channels * (pixels * query + keys * (key + value))}


class FrozenQKV(nn.Cell):
    """The projection as three linear layers that other weights can be composed with.

    Args:
        projection: whose values are copied.
        used: False leaves the layers out, where the convolution path is alone and holds them.

    Shape:
        See :class:`QKVProjection`.
    """

    def __init__(self, projection: QKVProjection, used: bool = True):
        super().__init__()
        self.channels, self.used = projection.channels, used
        self.weight: Any = None  # the frozen convolution path needs none
        self.bias: Any = None
        if not used:
            return
        cuts = np.cumsum(self.channels)[:-1]
        weights = np.split(projection.weight.asnumpy(), cuts)
        biases: list = [None] * 3
        if projection.bias is not None:
            biases = np.split(projection.bias.asnumpy(), cuts)
        self.q, self.k, self.v = (
            fixed_linear(weight, bias, projection.data_format, projection.stride)
            for weight, bias in zip(weights, biases, strict=True)
        )

    def construct(self, x: Tensor, context: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Project; see :class:`QKVProjection`."""
        return self.q(x), self.k(context), self.v(context)

    def absorb_input(self, scale: np.ndarray, shift: np.ndarray) -> bool:
        """See :mod:`acmix.layers.inference`."""
        layers = (self.q, self.k, self.v) if self.used else ()
        return all([absorb_input(layer, scale, shift) for layer in layers])

"""LayerNorm and a linear layer over overlapping patches, without writing the patches."""

from __future__ import annotations

from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from acmix.layers.blocks import dense, layer_norm
from acmix.layers.inference import frozen
from acmix.ops.constants import tensor_constant
from acmix.ops.resample import box_mean
from acmix.utils.cells import Shape
from acmix.utils.target import current_target


class PatchLinear(nn.Cell):
    r"""Unfold k x k patches, normalise each over its C_in k^2 numbers, apply a linear layer.

    .. math:: W \big(\gamma\, \frac{u - \mu}{\sqrt{\overline{u^2} - \mu^2 + \epsilon}}
              + \beta\big) + b = \frac{K * x}{\sqrt{\overline{u^2} - \mu^2 + \epsilon}}
              + W \beta + b

    with the kernels :math:`K = W \gamma` less the mean of each, as their product with a constant
    patch is what :math:`\mu` takes away. This is one convolution and two box averages, exactly; the
    unfolded patches would be k^2 / stride^2 times the input. The averages are float32: their
    difference cancels.

    Args:
        in_channels: C_in.
        out_channels: C.
        kernel_size, stride, padding: of the patches; the padding is zeros.
        has_bias: of the linear layer.
        epsilon: of the norm.

    Shape:
        (B, C_in, H, W) to (B, C, H', W'). The linear layer's inputs are in the order (C_in, k, k).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int = 1,
        stride: int = 1,
        padding: int = 0,
        has_bias: bool = True,
        epsilon: float = 1e-5,
    ):
        super().__init__()
        self.in_channels, self.kernel_size = in_channels, kernel_size
        self.stride, self.padding, self.epsilon = stride, padding, epsilon
        self.norm: Any = layer_norm(in_channels * kernel_size**2, epsilon)
        self.linear: Any = dense(in_channels * kernel_size**2, out_channels, has_bias)
        self.fast_broadcast = current_target().fast_broadcast
        self.conv = ops.Conv2D(
            out_channels, kernel_size, pad_mode="pad", pad=padding, stride=stride
        )
        self.kernel: Any = None
        self.constant: Any = None

    def construct(self, x: Tensor) -> Tensor:
        """Apply; see the class."""
        kernel, constant = self.kernel, self.constant
        if kernel is None:
            kernel, constant = self._composed()
        y = self.conv(x, kernel.astype(x.dtype))
        _, channels, height, width = y.shape
        scale = self._inverse_deviation(x.astype(ms.float32)).astype(x.dtype)
        if not self.fast_broadcast:  # a product spreads it faster
            spread = _ones(channels).astype(x.dtype)
            scale = ops.matmul(spread, scale.reshape((-1, 1, height * width)))
            scale = scale.reshape((-1, channels, height, width))
        return ops.bias_add(y * scale, constant.astype(x.dtype))

    def _composed(self) -> tuple[Tensor, Tensor]:
        """Return the kernels (C, C_in, k, k) and the constant (C,)."""
        weight = self.linear.weight
        outputs, inputs = weight.shape
        kernel = weight * self.norm.gamma.reshape((1, -1))
        kernel = kernel - ops.matmul(kernel, _average(inputs))
        constant = ops.matmul(weight, self.norm.beta.reshape((-1, 1))).reshape((-1,))
        if self.linear.has_bias:
            constant = constant + self.linear.bias
        size = self.kernel_size
        return kernel.reshape((outputs, self.in_channels, size, size)), constant

    def _inverse_deviation(self, x: Tensor) -> Tensor:
        """Return one over the standard deviation of each patch, (B, 1, H', W')."""
        _, channels, height, width = x.shape
        x = x.reshape((-1, channels, height * width))
        average = _channel_average(channels)
        moments = []
        for power in (x, x * x):
            moment = ops.matmul(average, power).reshape((-1, 1, height, width))
            moments.append(box_mean(moment, self.kernel_size, self.stride, self.padding))
        mean, square = moments
        variance = ops.maximum(square - mean * mean, 0.0)
        return 1 / ops.sqrt(variance + self.epsilon)

    def for_inference(self) -> nn.Cell:
        """Compose kernels and constant once; see :mod:`acmix.layers.inference`."""
        if self.kernel is None:
            kernel, constant = (value.asnumpy().copy() for value in self._composed())
            self.kernel, self.constant = frozen(kernel, "kernel"), frozen(constant, "constant")
            del self.norm, self.linear
        return self

    def macs(self, x_shape: Shape) -> dict[str, int]:
        """Multiply-adds of the linear layer."""
        batch, _, height, width = x_shape
        pixels = 1
        for length in (height, width):
            pixels *= (length + 2 * self.padding - self.kernel_size) // self.stride + 1
        outputs, inputs = self.linear.weight.shape if self.kernel is None else (
            self.kernel.shape[0], self.in_channels * self.kernel_size**2
        )  # fmt: skip
        return {"linear": batch * pixels * outputs * inputs}


@tensor_constant
def _ones(count: int) -> np.ndarray:
    return np.ones((count, 1), np.float32)


@tensor_constant
def _average(count: int) -> np.ndarray:
    return np.full((count, count), 1 / count, np.float32)


@tensor_constant
def _channel_average(count: int) -> np.ndarray:
    return np.full((1, count), 1 / count, np.float32)

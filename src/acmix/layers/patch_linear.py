"""LayerNorm and a linear layer over overlapping patches, without writing the patches."""

from __future__ import annotations

from typing import Any

import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from mindspore.common.initializer import TruncatedNormal, initializer

from acmix.layers.full_precision import FullPrecision
from acmix.layers.inference import frozen
from acmix.ops.constants import column_of_ones, tensor_constant
from acmix.ops.resample import box_mean
from acmix.utils.cells import Shape, kept_arguments
from acmix.utils.parameters import forget
from acmix.utils.target import current_target


class ScaledConv(nn.Cell):
    """A convolution with given kernels, times a number for each pixel, plus one for each channel.

    Shape:
        x: (B, C_in, H, W). kernel: (C, C_in, k, k). scale: (B, 1, H', W'). constant: (C,).
        Output: (B, C, H', W').
    """

    def __init__(self, channels: int, kernel_size: int, stride: int, padding: int):
        super().__init__()
        self.channels = channels
        self.fast_broadcast = current_target().fast_broadcast
        self.conv = ops.Conv2D(
            channels,
            (kernel_size, kernel_size),  # the ONNX exporter takes pairs only
            pad_mode="pad",
            pad=(padding,) * 4,
            stride=(stride, stride),
            dilation=(1, 1),
        )

    def construct(self, x: Tensor, kernel: Tensor, scale: Tensor, constant: Tensor) -> Tensor:
        """Compute it."""
        y = self.conv(x, kernel)
        if self.fast_broadcast:
            return y * scale + constant.reshape((1, self.channels, 1, 1))
        # Products spread both faster. A BiasAdd behind another operator than a convolution is wrong
        # in ONNX files.
        _, _, height, width = y.shape
        scale = scale.reshape((-1, 1, height * width))
        y = y.reshape((-1, self.channels, height * width))
        y = y * ops.matmul(column_of_ones(self.channels).astype(y.dtype), scale)
        y = y + ops.matmul(constant.reshape((self.channels, 1)), scale * 0 + 1)
        return y.reshape((-1, self.channels, height, width))


class PatchLinear(FullPrecision):
    r"""Unfold k x k patches, normalise each over its C_in k^2 numbers, apply a linear layer.

    .. math:: W \big(\gamma\, \frac{u - \mu}{\sqrt{\overline{u^2} - \mu^2 + \epsilon}}
              + \beta\big) + b = \frac{K * x}{\sqrt{\overline{u^2} - \mu^2 + \epsilon}}
              + W \beta + b

    with the kernels :math:`K = W \gamma` less the mean of each, as their product with a constant
    patch is what :math:`\mu` takes away. This is one convolution and two box averages, exactly; the
    unfolded patches would be k^2 / stride^2 times the input. Under mixed precision kernels and
    averages, whose difference cancels, stay float32, and the convolution does not.

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
        self.in_channels, self.out_channels = in_channels, out_channels
        self.kernel_size = kernel_size
        self.stride, self.padding, self.epsilon = stride, padding, epsilon
        # No Cells for norm and linear layer: they would not be called, and mixed precision puts
        # another Cell around a norm.
        inputs = in_channels * kernel_size**2
        self.gamma: Any = Parameter(initializer("ones", (inputs,)), name="gamma")
        self.beta: Any = Parameter(initializer("zeros", (inputs,)), name="beta")
        self.weight: Any = Parameter(
            initializer(TruncatedNormal(0.02), (out_channels, inputs)), name="weight"
        )
        self.bias: Any = None
        if has_bias:
            self.bias = Parameter(initializer("zeros", (out_channels,)), name="bias")
        self.apply_to = ScaledConv(out_channels, kernel_size, stride, padding)
        self.kernel: Any = None
        self.constant: Any = None

    def extend_repr(self) -> str:
        """Return what ``print`` shows of the Cell beside its parts."""
        return kept_arguments(self)

    def no_weight_decay(self) -> set[str]:
        """Name the parameters that must not decay: those of the norm."""
        return {"gamma", "beta"} if self.kernel is None else set()

    def construct(self, x: Tensor) -> Tensor:
        """Apply; see the class."""
        kernel, constant = self.kernel, self.constant
        if kernel is None:
            kernel, constant = self._composed()
        return self.apply_to(x, kernel, self._inverse_deviation(x), constant)

    def _composed(self) -> tuple[Tensor, Tensor]:
        """Return the kernels (C, C_in, k, k) and the constant (C,)."""
        outputs, inputs = self.weight.shape
        kernel = self.weight * self.gamma.reshape((1, -1))
        mean = ops.matmul(kernel, _channel_average(inputs).reshape((inputs, 1)))
        kernel = kernel - ops.matmul(mean, column_of_ones(inputs).reshape((1, inputs)))
        constant = ops.matmul(self.weight, self.beta.reshape((-1, 1))).reshape((-1,))
        if self.bias is not None:
            constant = constant + self.bias
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
            forget(self, "gamma", "beta", "weight", *(("bias",) if self.bias is not None else ()))
        return self

    def macs(self, x_shape: Shape) -> dict[str, int]:
        """Multiply-adds of the linear layer."""
        inputs = self.in_channels * self.kernel_size**2
        return {"linear": self.count_patches(x_shape) * self.out_channels * inputs}

    def count_patches(self, x_shape: Shape) -> int:
        """Return how many patches a batch of maps (B, C_in, H, W) has."""
        count = x_shape[0]
        for length in x_shape[2:]:
            count *= (length + 2 * self.padding - self.kernel_size) // self.stride + 1
        return count


@tensor_constant
def _channel_average(count: int) -> np.ndarray:
    return np.full((1, count), 1 / count, np.float32)

"""The convolution path of ACmix: a fully connected layer, then shift and sum (Sec. 4.2, 4.3)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from mindspore import Parameter, Tensor, ops
from mindspore.common.initializer import Uniform, initializer

from acmix.errors import check, suggest
from acmix.layers.conv_formulations import ConvFormulations
from acmix.layers.conv_frozen import FrozenConvPath
from acmix.layers.row_bias import bias_addition
from acmix.ops.block_conv import block_conv, block_cost, padded_conv
from acmix.ops.dense_conv import bordered_bias, composed_kernel, dense_is_cheaper
from acmix.ops.fold import fold_projection, joined_bias
from acmix.ops.linear import project, to_maps
from acmix.ops.shift import repeat_channels, shift_kernels, shift_sum
from acmix.ops.upsampled_conv import kernel_of_small
from acmix.utils.cells import Shape, kept_arguments
from acmix.utils.target import current_target

VARIANTS = ("shift", "fixed", "random", "learnable")
IMPLEMENTATIONS = ("auto", "dense", "group", "block")


class ConvPath(ConvFormulations):
    r"""Aggregate the intermediate features of Stage I the way a k x k convolution does.

    The F features of d channels (q, k and v of N heads: F = 3N) are combined by a fully connected
    layer, shared by all channels and pixels, into k^2 maps of d channels. Each map is shifted to
    its own side, and the shifted maps are added (Eq. 7, 8). The shift is a convolution with one-hot
    kernels (Eq. 15-17), which may then learn, one set per output channel (Fig. 3c):

    .. math:: f_{g,m} = \sum_j F_{m,j}\, x_{j,g} + b_m, \qquad
              y_{gn} = \sum_m K_{gn,m} * f_{g,m}, \quad g < d,\ n < C/d

    The output channel is ``g * (C/d) + n``, as in the released checkpoints. :meth:`construct` is
    this definition. Networks call :meth:`convolve`, which folds the layer into the projection.

    Args:
        head_dim: d, channels of a feature.
        num_features: F.
        channels: C, output channels, a multiple of d.
        kernel_size: k, odd.
        stride: step of the output grid.
        dilation: distance between neighbouring shifts.
        variant: ``shift`` moves tensors by slicing, has no kernel and gives the C/d outputs of a
            group as copies; ``fixed`` convolves with frozen one-hot kernels, the same function;
            ``random`` learns from random kernels; ``learnable`` learns from the one-hot kernels.
        fc_bias: whether the fully connected layer has a bias (Swin-ACmix has, ResNet-ACmix not).
        impl: ``dense``, one convolution of the operator's input (:mod:`acmix.ops.dense_conv`);
            ``group``, maps and one group convolution; ``block``, maps and ordinary convolutions
            (:mod:`acmix.ops.block_conv`); ``auto``, ``dense`` where that is cheaper, else ``group``
            where the target has it, or ``block``. The parameters are the same.
        in_channels: C_in of the projection; C if None.
        data_format: of the operator's input, ``NCHW`` or ``NHWC``.
        query_features: features of q.
        reduction: factor between the sides of q and of k and v.

    Shape:
        q, k, v: (B, *, H, W) whose channels add up to F * d, each a multiple of d.
        Output: (B, C, ceil(H / stride), ceil(W / stride)).

    Raises:
        UserError: an argument is out of its range.
    """

    def __init__(
        self,
        head_dim: int,
        num_features: int,
        channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        dilation: int = 1,
        variant: str = "learnable",
        fc_bias: bool = False,
        impl: str = "auto",
        in_channels: int | None = None,
        data_format: str = "NCHW",
        query_features: int = 0,
        reduction: int = 1,
    ):
        check(
            kernel_size >= 1 and kernel_size % 2 == 1,
            f"kernel_size must be an odd number of at least 1, got {kernel_size}.",
        )
        check(
            channels % head_dim == 0,
            f"channels must be a multiple of the head dimension {head_dim}, got {channels}.",
        )
        check(variant in VARIANTS, f"variant='{variant}' is unknown.{suggest(variant, VARIANTS)}")
        check(impl in IMPLEMENTATIONS, f"impl='{impl}' is unknown.{suggest(impl, IMPLEMENTATIONS)}")
        taps, grouped = kernel_size**2, current_target().group_conv
        cheaper = dense_is_cheaper(
            in_channels or channels, channels, head_dim, stride, reduction > 1,
            None if grouped else block_cost(head_dim, taps, channels // head_dim),
        )  # fmt: skip
        dense = variant != "shift" and (impl == "dense" or (impl == "auto" and cheaper))
        super().__init__(data_format, reduction, dense, dilation)
        if impl in ("auto", "dense"):  # the formulation of the aggregation alone
            impl = "group" if grouped else "block"
        self.head_dim, self.num_features, self.channels = head_dim, num_features, channels
        self.kernel_size, self.stride = kernel_size, stride
        self.variant, self.impl, self.query_features = variant, impl, query_features
        self.taps = taps
        self.add_bias: Any = bias_addition(data_format)

        bound = 1 / math.sqrt(num_features)
        shape: tuple[int, ...] = (self.taps, num_features)
        self.fc_weight = Parameter(initializer(Uniform(bound), shape), name="fc_weight")
        self.fc_bias = None
        if fc_bias:
            self.fc_bias = Parameter(initializer(Uniform(bound), (self.taps,)), name="fc_bias")
        self.kernel: Any = None
        if variant != "shift":
            shape = (channels, self.taps, kernel_size, kernel_size)
            if variant == "random":
                value = initializer(Uniform(1 / self.taps), shape)  # 1/sqrt(fan in): fan in = k^4
            else:
                value = Tensor(np.broadcast_to(shift_kernels(kernel_size), shape).copy())
            self.kernel = Parameter(value, name="kernel", requires_grad=variant != "fixed")

    def extend_repr(self) -> str:
        """Return what ``print`` shows of the Cell beside its parts."""
        return kept_arguments(self, dense=self.dense)

    def construct(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Map q, k, v of Stage I to the output of the convolution path."""
        _, _, height, width = q.shape
        features = ops.cat((q, k, v), 1)
        features = features.reshape((-1, self.num_features, self.head_dim * height * width))
        maps = ops.matmul(self.fc_weight.astype(features.dtype), features)
        if self.fc_bias is not None:
            maps = maps + self.fc_bias.astype(maps.dtype).reshape((-1, 1))
        maps = maps.reshape((-1, self.taps, self.head_dim, height * width)).transpose(0, 2, 1, 3)
        return self.aggregate(maps.reshape((-1, self.head_dim * self.taps, height, width)))

    def aggregate(self, maps: Tensor, scale: Tensor | None = None) -> Tensor:
        """Shift and sum: (B, d * k^2, H, W) to (B, C, H', W'), times ``scale`` if given."""
        if self.variant == "shift":
            summed = shift_sum(maps, self.kernel_size, self.stride, self.dilation)
            if scale is not None:
                summed = summed * scale
            return repeat_channels(summed, self.channels // self.head_dim)
        kernel = self._scaled_kernel(scale).astype(maps.dtype)
        if self.impl == "block":
            return block_conv(maps, kernel, self.head_dim, self.stride, self.dilation)
        return padded_conv(maps, kernel, self.stride, self.dilation, self.head_dim)

    def _scaled_kernel(self, scale: Tensor | None) -> Tensor:
        # The kernel is small, the map is large: scale the kernel.
        return self.kernel if scale is None else self.kernel * scale

    def fold(
        self, weight: Tensor, bias: Tensor | None, first: int = 0
    ) -> tuple[Tensor, Tensor | None]:
        """Compose the layer with the projection to the features from ``first`` on.

        Shape:
            (f * d, C_in) and (f * d,) to (d * k^2, C_in) and (d * k^2,), see
            :func:`acmix.ops.fold.fold_projection`.
        """
        return fold_projection(self.fc_weight, self.fc_bias, weight, bias, self.head_dim, first)

    def folded(
        self, weight: Tensor, bias: Tensor | None
    ) -> tuple[tuple[Tensor, Tensor | None], ...]:
        """Return weight and bias for x, and with a reduced context those for the context, too."""
        if self.reduction == 1:
            return (self.fold(weight, bias),)
        sizes = self.query_features, self.num_features - self.query_features
        sizes = sizes[0] * self.head_dim, sizes[1] * self.head_dim
        weights, biases = ops.split(weight, sizes, 0), (None, None)
        if bias is not None:
            biases = ops.split(bias, sizes, 0)
        return (
            self.fold(weights[0], biases[0], 0),
            self.fold(weights[1], biases[1], self.query_features),
        )

    def project_maps(self, source: int, x: Tensor, folded: Any) -> Tensor:
        """Project x or the context to its share of the maps."""
        weight, bias = folded[source]
        maps = project(x, weight, bias, self.data_format, 1, self.add_bias)
        return maps if self.data_format == "NCHW" else to_maps(maps)

    def convolve_densely(self, x: Tensor, folded: Any, scale: Tensor | None) -> Tensor:
        """Apply the share of x by one convolution: (B, C_in, H, W) to (B, C, H', W')."""
        weight, bias = folded[0][0], joined_bias(folded)
        kernel = self._scaled_kernel(scale).astype(x.dtype)
        steps = self.stride, self.dilation
        out = padded_conv(x, composed_kernel(kernel, weight, self.head_dim), *steps)
        if bias is None:
            return out
        own = composed_kernel(kernel, bias.reshape((-1, 1)), self.head_dim)
        return out + bordered_bias(own, x.shape[2], x.shape[3], *steps)

    def context_kernel(self, folded: Any, scale: Tensor | None) -> Tensor:
        """Compose the share of the context to one kernel: (C_in, k, k, C)."""
        weight = folded[1][0]
        kernel = self._scaled_kernel(scale).astype(weight.dtype)
        return kernel_of_small(composed_kernel(kernel, weight, self.head_dim))

    def freeze(self, weight: Tensor, bias: Tensor | None, scale: float) -> FrozenConvPath:
        """Return the path for inference, composed with the projection and scaled."""
        return FrozenConvPath(self, weight, bias, scale)

    def macs(self, q_shape: Shape, k_shape: Shape, v_shape: Shape) -> dict[str, int]:
        """Multiply-adds of fc and group convolution (Tab. 1: 3 k^2 C and k^4 C per pixel)."""
        batch, _, height, width = q_shape
        outputs = -(-height // self.stride) * -(-width // self.stride)
        fc = self.taps * (math.prod(q_shape) + math.prod(k_shape) + math.prod(v_shape))
        conv = 0 if self.variant == "shift" else self.taps**2 * self.channels * outputs
        return {"fc": fc, "conv": batch * conv}

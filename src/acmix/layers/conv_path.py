"""The convolution path of ACmix: a fully connected layer, then shift and sum (Sec. 4.2, 4.3)."""

from __future__ import annotations

import math
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from mindspore.common.initializer import Uniform, initializer

from acmix.errors import check, suggest
from acmix.ops.block_conv import block_conv, padded_conv
from acmix.ops.dense_conv import bordered_bias, composed_kernel, dense_is_cheaper
from acmix.ops.shift import repeat_channels, shift_kernels, shift_sum

KERNELS = ("shift", "fixed", "random", "learnable")
FORMULATIONS = ("auto", "dense", "group", "block")


class ConvPath(nn.Cell):
    r"""Aggregate the intermediate features of Stage I the way a k x k convolution does.

    The P pieces of d channels (q, k and v of N heads: P = 3N) are combined by a fully connected
    layer, shared by all channels and pixels, into k^2 maps of d channels; each map is shifted to
    its own side, and the shifted maps are added (Eq. 7, 8). The shift is a convolution with one-hot
    kernels (Eq. 15-17), which may then learn, one set per output channel (Fig. 3c):

    .. math:: f_{g,m} = \sum_j F_{m,j}\, x_{j,g} + b_m, \qquad
              y_{gn} = \sum_m K_{gn,m} * f_{g,m}, \quad g < d,\ n < C/d

    The output channel is ``g * (C/d) + n``, as in the released checkpoints.

    Args:
        head_dim: d, channels of a piece.
        pieces: P, number of pieces.
        channels: C, output channels, a multiple of d.
        kernel_size: k, odd.
        stride: step of the output grid.
        dilation: distance between neighbouring shifts.
        kernel: ``shift`` moves tensors by slicing, has no kernel and gives the C/d outputs of a
            group as copies; ``fixed`` convolves with frozen one-hot kernels, the same function;
            ``random`` learns from a random start; ``learnable`` learns from the one-hot start.
        fc_bias: whether the fully connected layer has a bias (Swin-ACmix has, ResNet-ACmix not).
        impl: how :class:`acmix.ACmix` computes it. ``dense``, one ordinary convolution of its input
            (see :mod:`acmix.ops.dense_conv`); ``group``, maps and one group convolution; ``block``,
            maps and ordinary convolutions (see :mod:`acmix.ops.block_conv`); ``auto``, ``dense``
            where that is cheaper, else ``block`` on Ascend and ``group`` elsewhere. The parameters
            are the same.
        in_channels: C_in of the projection, for ``auto``; C if None.
        reduced: whether k and v are projected from a smaller map than q, for ``auto``.

    Attributes:
        dense: whether ``ACmix`` is to call :meth:`convolve` instead of :meth:`aggregate`.

    Shape:
        q, k, v: (B, *, H, W) whose channels add up to P * d, each a whole number of pieces.
        Output: (B, C, ceil(H / stride), ceil(W / stride)).

    Raises:
        UserError: an argument is out of its range.
    """

    def __init__(
        self,
        head_dim: int,
        pieces: int,
        channels: int,
        kernel_size: int = 3,
        stride: int = 1,
        dilation: int = 1,
        kernel: str = "learnable",
        fc_bias: bool = False,
        impl: str = "auto",
        in_channels: int | None = None,
        reduced: bool = False,
    ):
        super().__init__()
        check(
            kernel_size >= 1 and kernel_size % 2 == 1,
            f"kernel_conv must be an odd number of at least 1, got {kernel_size}.",
        )
        check(
            channels % head_dim == 0,
            f"out_channels must be a multiple of the head dimension {head_dim}, got {channels}.",
        )
        for name, value, known in (
            ("conv_kernel", kernel, KERNELS),
            ("conv_impl", impl, FORMULATIONS),
        ):
            check(value in known, f"{name}={value!r} is unknown.{suggest(value, known)}")
        self.head_dim, self.pieces, self.channels = head_dim, pieces, channels
        self.kernel_size, self.stride, self.dilation = kernel_size, stride, dilation
        self.variant, self.maps = kernel, kernel_size**2
        cheaper = dense_is_cheaper(in_channels or channels, channels, head_dim, stride, reduced)
        self.dense = kernel != "shift" and (impl == "dense" or (impl == "auto" and cheaper))
        if impl in ("auto", "dense"):  # of what is given as maps
            impl = "block" if ms.get_context("device_target") == "Ascend" else "group"
        self.impl = impl

        bound = 1 / math.sqrt(pieces)
        self.fc_weight = Parameter(
            initializer(Uniform(bound), (self.maps, pieces)), name="fc_weight"
        )
        self.fc_bias = None
        if fc_bias:
            self.fc_bias = Parameter(initializer(Uniform(bound), (self.maps,)), name="fc_bias")
        self.kernel: Any = None
        if kernel != "shift":
            shape = (channels, self.maps, kernel_size, kernel_size)
            if kernel == "random":
                value = initializer(Uniform(1 / self.maps), shape)  # 1/sqrt(fan in): fan in = k^4
            else:
                value = Tensor(np.broadcast_to(shift_kernels(kernel_size), shape).copy())
            self.kernel = Parameter(value, name="kernel", requires_grad=kernel != "fixed")

    def fold(
        self, weight: Tensor, bias: Tensor | None, first_piece: int = 0
    ) -> tuple[Tensor, Tensor | None]:
        """Compose the fully connected layer with the projection before it.

        Two linear maps in a row are one: the k^2 d maps come from the operator's input by one large
        matrix product, twice as fast as via q, k and v.

        Args:
            weight: (p * d, C_in) of Stage I, pieces first.
            bias: (p * d,) or None.
            first_piece: where these p pieces begin among the P. The layer's bias goes with piece 0,
                so that the maps of all pieces may be computed apart and added.

        Returns:
            (d * k^2, C_in) and (d * k^2,) or None, the channel being ``g * k^2 + m``.
        """
        in_channels = weight.shape[1]
        pieces = weight.shape[0] // self.head_dim
        fc_weight = self.fc_weight.astype(weight.dtype)  # mixed precision casts the arguments only
        if pieces < self.pieces:
            columns = (0, first_piece), (self.maps, first_piece + pieces)
            fc_weight = ops.strided_slice(fc_weight, *columns, (1, 1))
        folded = ops.matmul(fc_weight, weight.reshape((pieces, -1)))
        folded = folded.reshape((self.maps, self.head_dim, in_channels)).transpose(1, 0, 2)
        folded = folded.reshape((self.head_dim * self.maps, in_channels))
        constant = None
        if bias is not None:
            constant = ops.matmul(fc_weight, bias.reshape((pieces, self.head_dim)))
        if self.fc_bias is not None and first_piece == 0:
            own = self.fc_bias.astype(weight.dtype).reshape((self.maps, 1))
            constant = own.broadcast_to((-1, self.head_dim)) if constant is None else constant + own
        if constant is not None:
            constant = constant.transpose(1, 0).reshape((-1,))
        return folded, constant

    def convolve(
        self, x: Tensor, weight: Tensor, bias: Tensor | None, scale: Tensor | None = None
    ) -> Tensor:
        """Apply the path to its input by one convolution, with the weights that :meth:`fold` gives.

        Args:
            x: (B, C_in, H, W).
            weight: (d * k^2, C_in).
            bias: (d * k^2,) or None.
            scale: factor of the output, or None.

        Returns:
            (B, C, H', W').
        """
        kernel = self.kernel if scale is None else self.kernel * scale
        kernel = kernel.astype(x.dtype)
        steps = self.stride, self.dilation
        out = padded_conv(x, composed_kernel(kernel, weight, self.head_dim), *steps)
        if bias is None:
            return out
        own = composed_kernel(kernel, bias.reshape((-1, 1)), self.head_dim)
        return out + bordered_bias(own, x.shape[2], x.shape[3], *steps)

    def aggregate(self, maps: Tensor, scale: Tensor | None = None) -> Tensor:
        """Shift and sum: (B, d * k^2, H, W) to (B, C, H', W'), times ``scale`` if given."""
        if self.variant == "shift":
            summed = shift_sum(maps, self.kernel_size, self.stride, self.dilation)
            if scale is not None:
                summed = summed * scale
            return repeat_channels(summed, self.channels // self.head_dim)
        # The kernel is small, the map is large: scale the kernel.
        kernel = self.kernel if scale is None else self.kernel * scale
        kernel = kernel.astype(maps.dtype)
        if self.impl == "block":
            return block_conv(maps, kernel, self.head_dim, self.stride, self.dilation)
        return padded_conv(maps, kernel, self.stride, self.dilation, self.head_dim)

    def construct(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Map q, k, v of Stage I to the output of the convolution path."""
        _, _, height, width = q.shape
        pieces = ops.cat((q, k, v), 1).reshape((-1, self.pieces, self.head_dim * height * width))
        maps = ops.matmul(self.fc_weight.astype(pieces.dtype), pieces)
        if self.fc_bias is not None:
            maps = maps + self.fc_bias.astype(maps.dtype).reshape((-1, 1))
        maps = maps.reshape((-1, self.maps, self.head_dim, height * width)).transpose(0, 2, 1, 3)
        return self.aggregate(maps.reshape((-1, self.head_dim * self.maps, height, width)))

    def macs(self, q_shape, k_shape, v_shape) -> dict[str, int]:
        """Multiply-adds of fc and group convolution (Tab. 1: 3 k^2 C and k^4 C per pixel)."""
        batch, _, height, width = q_shape
        outputs = -(-height // self.stride) * -(-width // self.stride)
        fc = self.maps * (math.prod(q_shape) + math.prod(k_shape) + math.prod(v_shape))
        conv = 0 if self.variant == "shift" else self.maps**2 * self.channels * outputs
        return {"fc": fc, "conv": batch * conv}

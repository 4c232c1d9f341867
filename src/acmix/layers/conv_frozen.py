"""The convolution path with weights that no longer change."""

from __future__ import annotations

from typing import Any

import numpy as np
from mindspore import Tensor, nn, ops

from acmix.layers.conv_formulations import ConvFormulations
from acmix.layers.inference import (
    absorb_input,
    absorb_output,
    fixed_conv,
    fixed_linear,
    frozen,
    rescale_output,
)
from acmix.ops.block_conv import block_count
from acmix.ops.dense_conv import bordered_bias, composed_kernel
from acmix.ops.fold import joined_bias
from acmix.ops.linear import to_maps
from acmix.ops.shift import repeat_channels, shift_sum
from acmix.utils.cells import Shape


class FrozenConvPath(ConvFormulations):
    """The function of a convolution path on the operator's input, by composed weights.

    The fully connected layer is composed with the projection, or all of the path to one
    convolution, which the trainable path does in every call. Its formulation is that of the path.

    Args:
        path: the trainable path, whose values are copied.
        weight: (F * d, C_in) and
        bias: (F * d,) or None, those of the projection.
        scale: factor of the output.
    """

    def __init__(self, path: ConvFormulations, weight: Tensor, bias: Tensor | None, scale: float):
        super().__init__(path.data_format, path.reduction, path.dense, path.dilation)
        self.conv: Any = None
        self.projections: Any = None
        folded = path.folded(weight, bias)
        self.fixed_kernel: Any = None
        if path.dense:
            self.conv = DenseConv(path, folded[0][0], joined_bias(folded), scale)
            if path.reduction > 1:
                kernel = path.context_kernel(folded, None).asnumpy() * scale
                self.fixed_kernel = frozen(kernel, "fixed_kernel")
            return
        layers = []
        for own, constant in folded:
            constant = None if constant is None else constant.asnumpy()
            layers.append(fixed_linear(own.asnumpy(), constant, path.data_format))
            rescale_output(layers[-1], scale)
        self.projections = nn.CellList(layers)
        self.conv = _aggregation(path)

    def folded(self, weight: Tensor | None, bias: Tensor | None) -> Any:
        """Return nothing: the weights are in the layers."""
        return ()

    def project_maps(self, source: int, x: Tensor, folded: Any) -> Tensor:
        """Project x or the context to its share of the maps."""
        maps = self.projections[source](x)
        return maps if self.data_format == "NCHW" else to_maps(maps)

    def convolve_densely(self, x: Tensor, folded: Any, scale: Tensor | None) -> Tensor:
        """Apply the share of x by one convolution: (B, C_in, H, W) to (B, C, H', W')."""
        return self.conv(x)

    def context_kernel(self, folded: Any, scale: Tensor | None) -> Tensor:
        """Return the convolution of a reduced context: (C_in, k, k, C)."""
        return self.fixed_kernel

    def aggregate(self, maps: Tensor, scale: Tensor | None = None) -> Tensor:
        """Shift and sum: (B, d * k^2, H, W) to (B, C, H', W')."""
        return self.conv(maps)

    def macs(self, q_shape: Shape, k_shape: Shape, v_shape: Shape) -> dict[str, int]:
        """Return nothing: the layers are counted."""
        return {}

    def can_absorb_output(self) -> bool:
        """Return whether :meth:`absorb_output` works: not where tensors are shifted."""
        return not isinstance(self.conv, ShiftSum)

    def absorb_output(self, scale: np.ndarray, shift: np.ndarray) -> bool:
        """See :mod:`acmix.layers.inference`."""
        if not self.can_absorb_output():
            return False
        if self.fixed_kernel is not None:
            self.fixed_kernel = frozen(self.fixed_kernel.asnumpy() * scale, "fixed_kernel")
        return absorb_output(self.conv, scale, shift)

    def absorb_input(self, scale: np.ndarray, shift: np.ndarray) -> bool:
        """See :mod:`acmix.layers.inference`."""
        layers = [self.conv] if self.dense else list(self.projections)
        return all([absorb_input(layer, scale, shift) for layer in layers])


def _aggregation(path: ConvFormulations) -> nn.Cell:
    """Return the Cell that does what ``path.aggregate`` does, by the path's formulation."""
    if path.kernel is None:
        return ShiftSum(path)
    kernel = path.kernel.asnumpy()
    if path.impl == "block":
        return BlockConv(kernel, path.head_dim, path.stride, path.dilation)
    return fixed_conv(kernel, None, path.stride, path.dilation, path.head_dim)


class DenseConv(nn.Cell):
    """The path as one convolution of x, see :mod:`acmix.ops.dense_conv`.

    Args:
        path: whose kernels are composed.
        weight: (d * k^2, C_in), as ``path.fold`` gives it, and
        bias: (d * k^2,) or None, that of all maps.
        scale: factor of the output.
    """

    def __init__(self, path: ConvFormulations, weight: Tensor, bias: Tensor | None, scale: float):
        super().__init__()
        self.stride, self.dilation = path.stride, path.dilation
        kernel = path.kernel * scale
        composed = composed_kernel(kernel, weight, path.head_dim).asnumpy()
        self.conv = fixed_conv(composed, None, path.stride, path.dilation)
        self.border: Any = None
        if bias is not None:
            border = composed_kernel(kernel, bias.reshape((-1, 1)), path.head_dim).asnumpy()
            self.border = frozen(border, "border")

    def construct(self, x: Tensor) -> Tensor:
        """Convolve (B, C_in, H, W) to (B, C, H', W')."""
        if self.border is None:
            return self.conv(x)
        steps = self.stride, self.dilation
        border = self.border.astype(x.dtype)
        return self.conv(x) + bordered_bias(border, x.shape[2], x.shape[3], *steps)

    def absorb_output(self, scale: np.ndarray, shift: np.ndarray) -> bool:
        """See :mod:`acmix.layers.inference`."""
        if self.border is not None:
            self.border = frozen(self.border.asnumpy() * scale[:, None, None, None], "border")
        return absorb_output(self.conv, scale, shift)

    def absorb_input(self, scale: np.ndarray, shift: np.ndarray) -> bool:
        """See :mod:`acmix.layers.inference`; outside of the map there is no shift."""
        weight = self.conv.weight.asnumpy()
        moved = (weight * shift[:, None, None]).sum(1, keepdims=True)
        border = moved if self.border is None else self.border.asnumpy() + moved
        self.border = frozen(border, "border")
        self.conv.weight = frozen(weight * scale[:, None, None], "weight")
        return True


class BlockConv(nn.Cell):
    """:func:`acmix.ops.block_conv.block_conv` with its block-diagonal kernels made once.

    Args:
        kernel: (groups * n, m, k, k).
        groups, stride, dilation: see there.
    """

    def __init__(self, kernel: np.ndarray, groups: int, stride: int, dilation: int):
        super().__init__()
        outputs, maps, size, _ = kernel.shape
        blocks = block_count(groups, maps, outputs // groups)
        merged = groups // blocks
        self.maps_per_block = merged * maps
        convs = []
        for own in kernel.reshape(blocks, merged, outputs // groups, maps, size, size):
            dense = np.zeros((merged, outputs // groups, merged, maps, size, size), kernel.dtype)
            dense[range(merged), :, range(merged)] = own
            dense = dense.reshape(outputs // blocks, self.maps_per_block, size, size)
            convs.append(fixed_conv(dense, None, stride, dilation))
        self.convs = nn.CellList(convs)

    def construct(self, maps: Tensor) -> Tensor:
        """Aggregate (B, d * k^2, H, W) to (B, C, H', W')."""
        if len(self.convs) == 1:
            return self.convs[0](maps)
        parts = ops.split(maps, self.maps_per_block, 1)
        convolved: tuple = ()
        for index in range(len(self.convs)):
            convolved += (self.convs[index](parts[index]),)
        return ops.cat(convolved, 1)

    def absorb_output(self, scale: np.ndarray, shift: np.ndarray) -> bool:
        """See :mod:`acmix.layers.inference`."""
        cuts = len(self.convs)
        own = zip(self.convs, np.split(scale, cuts), np.split(shift, cuts), strict=True)
        return all([absorb_output(conv, *affine) for conv, *affine in own])


class ShiftSum(nn.Cell):
    """Shifted maps added up, and copied to the channels of a group."""

    def __init__(self, path: ConvFormulations):
        super().__init__()
        self.kernel_size, self.stride, self.dilation = path.kernel_size, path.stride, path.dilation
        self.repeats = path.channels // path.head_dim

    def construct(self, maps: Tensor) -> Tensor:
        """Aggregate (B, d * k^2, H, W) to (B, C, H', W')."""
        summed = shift_sum(maps, self.kernel_size, self.stride, self.dilation)
        return repeat_channels(summed, self.repeats)

"""Convolutions and their gradients, of CANN's C functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from acmix.tools.rehearsal.npu.convolve import convolve, gradient_of_filter, gradient_of_input
from acmix.tools.rehearsal.npu.registry import Spec, aclnn
from acmix.tools.rehearsal.npu.windows import Windows

Sizes = Sequence[int]


@aclnn(
    "aclnnConvolution",
    "input weight bias stride padding dilation transposed:bool output_padding groups:int64 >output"
    " cube_math_type:int8",
)
def convolution(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    transposed: bool,
    output_padding: Sizes,
    groups: int,
    cube_math_type: int,
    *,
    outputs: Sequence[Spec],
) -> np.ndarray:
    """Return the convolution of ``x``, or the transposed one, of images (B, C, H, W)."""
    windows = _windows(weight, stride, padding, dilation)
    if transposed:
        y = gradient_of_input(x, weight, outputs[0].shape, windows, groups)
    else:
        y = convolve(x, weight, windows, groups)
    return y if bias is None else y + bias.reshape(-1, 1, 1)


@aclnn(
    "aclnnConvolutionBackward",
    "grad_output input weight bias_sizes stride padding dilation transposed:bool output_padding"
    " groups:int64 output_mask cube_math_type:int8 >grad_input >grad_weight >grad_bias",
)
def convolution_backward(
    gradient: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray,
    bias_sizes: Sizes,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    transposed: bool,
    output_padding: Sizes,
    groups: int,
    output_mask: Sequence[bool],
    cube_math_type: int,
) -> tuple[np.ndarray | None, ...]:
    """Return the gradients of input, weight and bias that ``output_mask`` asks for."""
    windows = _windows(weight, stride, padding, dilation)
    of_input, of_weight, of_bias = output_mask
    if transposed:  # which is the gradient of a convolution of the gradient
        first = convolve(gradient, weight, windows, groups) if of_input else None
        second = gradient_of_filter(x, gradient, windows, groups) if of_weight else None
    else:
        first = gradient_of_input(gradient, weight, x.shape, windows, groups) if of_input else None
        second = gradient_of_filter(gradient, x, windows, groups) if of_weight else None
    return first, second, gradient.sum(axis=(0, 2, 3)) if of_bias else None


def _windows(weight: np.ndarray, stride: Sizes, padding: Sizes, dilation: Sizes) -> Windows:
    if weight.ndim != 4:
        raise ValueError(f"a convolution over {weight.ndim - 2} axes; only 2 are known")
    top, left = padding if len(padding) == 2 else (padding[0], padding[2])
    bottom, right = padding if len(padding) == 2 else (padding[1], padding[3])
    return Windows(weight.shape[2:], stride, (top, bottom, left, right), dilation)

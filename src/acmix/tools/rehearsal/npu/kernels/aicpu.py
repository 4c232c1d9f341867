"""MindSpore's own operators for the processors of Ascend, whose types begin with Cust."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from acmix.tools.rehearsal.npu.kernels.pooling_aclnn import (
    adaptive_avg_pool,
    adaptive_avg_pool_backward,
)
from acmix.tools.rehearsal.npu.registry import operator
from acmix.tools.rehearsal.npu.windows import Windows


@operator("CustAdaptiveAvgPool2D", "x >y")
def adaptive_avg_pool_2d(x: np.ndarray, *, output_size: Sequence[int]) -> np.ndarray:
    """Return the means of ``output_size`` windows; a size of -1 is that of the image."""
    sizes = [
        own if size == -1 else size for own, size in zip(x.shape[2:], output_size, strict=True)
    ]
    return adaptive_avg_pool(x, sizes)


@operator("CustAdaptiveAvgPool2DGrad", "input_grad orig_input_shape >output_grad")
def adaptive_avg_pool_2d_grad(gradient: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Return the gradient of an image of ``shape``."""
    return adaptive_avg_pool_backward(gradient, np.empty(shape.tolist(), np.bool_))


@operator("CustIm2col", "x >y")
def im2col(
    x: np.ndarray,
    *,
    ksizes: Sequence[int],
    strides: Sequence[int] = (1, 1),
    dilations: Sequence[int] = (1, 1),
    pads: Sequence[int] = (0, 0, 0, 0),
    padding_mode: str = "CALCULATED",
) -> np.ndarray:
    """Return all windows of images: (B, C, kh * kw, windows)."""
    if padding_mode != "CALCULATED":
        raise ValueError(f"padding_mode {padding_mode} is not known")
    windows = Windows(ksizes, strides, pads, dilations).of(x)
    return windows.reshape(*x.shape[:2], ksizes[0] * ksizes[1], -1)


@operator("Col2im", "x output_size >y")
def col2im(
    x: np.ndarray,
    output_size: np.ndarray,
    *,
    kernel_size: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> np.ndarray:
    """Return the images whose pixels sum what windows (B, C, kh * kw, windows) hold of them."""
    high, wide = padding
    windows = Windows(kernel_size, stride, (high, high, wide, wide), dilation)
    shape = (*x.shape[:2], *output_size.tolist())
    return windows.add_up(x.reshape(*x.shape[:2], *kernel_size, *windows.grid(shape)), shape)

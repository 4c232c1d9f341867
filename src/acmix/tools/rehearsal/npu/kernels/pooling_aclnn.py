"""Pools of images (B, C, H, W) and their gradients, of CANN's C functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from acmix.tools.rehearsal.npu import pool
from acmix.tools.rehearsal.npu.registry import Spec, aclnn
from acmix.tools.rehearsal.npu.windows import Windows

Sizes = Sequence[int]


@aclnn(
    "aclnnMaxPool2dWithIndices",
    "self kernel_size stride padding dilation ceil_mode:bool >out >indices",
)
def max_pool(
    x: np.ndarray, kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes, ceil_mode: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return the maximum of each window, and the pixel where it is first."""
    windows = _windows(kernel, stride, padding, dilation)
    grid = pool.grid(x.shape, windows, ceil_mode)
    pixels = np.broadcast_to(
        np.arange(x.shape[2] * x.shape[3]).reshape(1, 1, *x.shape[2:]), x.shape
    )
    each = windows.of(pixels, 0, grid).reshape(*x.shape[:2], -1, *grid)
    place = pool.first_maximum(x, windows, grid)[:, :, None]
    return pool.maximum(x, windows, grid), np.take_along_axis(each, place, 2)[:, :, 0]


@aclnn(
    "aclnnMaxPool2dWithMask",
    "self kernel_size stride padding dilation ceil_mode:bool >out >mask",
)
def max_pool_with_mask(
    x: np.ndarray,
    kernel: Sizes,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    ceil_mode: bool,
    *,
    outputs: Sequence[Spec],
) -> tuple[np.ndarray, np.ndarray]:
    """Return the maximum of each window, and zeros: only its gradient reads the device's mask."""
    y, _ = max_pool(x, kernel, stride, padding, dilation, ceil_mode)
    return y, np.zeros(outputs[1].shape, np.int8)


@aclnn(
    "aclnnMaxPool2dWithMaskBackward",
    "grad_output self mask kernel_size stride padding dilation ceil_mode:bool >grad_input",
)
@aclnn(
    "aclnnMaxPool2dWithIndicesBackward",
    "grad_output self indices kernel_size stride padding dilation ceil_mode:bool >grad_input",
)
def max_pool_backward(
    gradient: np.ndarray,
    x: np.ndarray,
    indices: np.ndarray,
    kernel: Sizes,
    stride: Sizes,
    padding: Sizes,
    dilation: Sizes,
    ceil_mode: bool,
) -> np.ndarray:
    """Return the gradient of x: that of each window goes to its first maximum."""
    return pool.gradient_of_maximum(gradient, x, _windows(kernel, stride, padding, dilation))


@aclnn(
    "aclnnAvgPool2d",
    "self kernel_size strides paddings ceil_mode:bool count_include_pad:bool divisor:int64"
    " cube_math_type:int8 >out",
)
def avg_pool(
    x: np.ndarray,
    kernel: Sizes,
    stride: Sizes,
    padding: Sizes,
    ceil_mode: bool,
    pads_count: bool,
    divisor: int,
    cube_math_type: int,
) -> np.ndarray:
    """Return each window's mean, or its sum by ``divisor`` unless that is 0."""
    windows = _windows(kernel, stride, padding)
    return pool.mean(x, windows, pool.grid(x.shape, windows, ceil_mode), pads_count, divisor)


@aclnn(
    "aclnnAvgPool2dBackward",
    "grad_output self kernel_size stride padding ceil_mode:bool count_include_pad:bool"
    " divisor:int64 cube_math_type:int8 >grad_input",
)
def avg_pool_backward(
    gradient: np.ndarray,
    x: np.ndarray,
    kernel: Sizes,
    stride: Sizes,
    padding: Sizes,
    ceil_mode: bool,
    pads_count: bool,
    divisor: int,
    cube_math_type: int,
) -> np.ndarray:
    """Return the gradient of x: windows share theirs among their pixels."""
    windows = _windows(kernel, stride, padding)
    return pool.gradient_of_mean(gradient, x.shape, windows, pads_count, divisor)


@aclnn("aclnnAdaptiveAvgPool2d", "self output_size >out")
def adaptive_avg_pool(x: np.ndarray, size: Sizes) -> np.ndarray:
    """Return the means of ``size`` windows, which start at floor(i H / H'), end at ceil."""
    rows, columns = _shares(x.shape[-2], size[0]), _shares(x.shape[-1], size[1])
    return rows @ x @ columns.T


@aclnn("aclnnAdaptiveAvgPool2dBackward", "grad_output self >grad_input")
def adaptive_avg_pool_backward(gradient: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return the gradient of x: windows share theirs among their pixels."""
    rows = _shares(x.shape[-2], gradient.shape[-2])
    columns = _shares(x.shape[-1], gradient.shape[-1])
    return rows.T @ gradient @ columns


@aclnn("aclnnIm2col", "self kernel_size dilation padding stride >out")
def im2col(
    x: np.ndarray, kernel: Sizes, dilation: Sizes, padding: Sizes, stride: Sizes
) -> np.ndarray:
    """Return all windows of images: (B, C * kh * kw, windows)."""
    windows = _windows(kernel, stride, padding, dilation).of(x)
    return windows.reshape(len(x), x.shape[1] * kernel[0] * kernel[1], -1)


@aclnn("aclnnIm2colBackward", "grad_output input_size kernel_size dilation padding stride >out")
def im2col_backward(
    gradient: np.ndarray,
    size: Sizes,
    kernel: Sizes,
    dilation: Sizes,
    padding: Sizes,
    stride: Sizes,
    *,
    outputs: Sequence[Spec],
) -> np.ndarray:
    """Return the images whose pixels sum what windows hold of them."""
    shape, windows = outputs[0].shape, _windows(kernel, stride, padding, dilation)
    each = gradient.reshape(*shape[:2], *kernel, *windows.grid(shape))
    return windows.add_up(each, shape)


def _windows(kernel: Sizes, stride: Sizes, padding: Sizes, dilation: Sizes = (1, 1)) -> Windows:
    """Return windows of sizes for both axes, or one for each; no stride is the kernel's."""
    high, wide = _both(padding)
    steps = _both(stride) if len(stride) else _both(kernel)
    return Windows(_both(kernel), steps, (high, high, wide, wide), _both(dilation))


def _both(sizes: Sizes) -> Sizes:
    return [sizes[0], sizes[0]] if len(sizes) == 1 else sizes


def _shares(size: int, count: int) -> np.ndarray:
    """Return how much of each number of an axis is in each of ``count`` means of it."""
    shares = np.zeros((count, size), np.float32)
    for i in range(count):
        start, end = i * size // count, -(-(i + 1) * size // count)
        shares[i, start:end] = 1 / (end - start)
    return shares

"""Pools of images (B, C, H, W) and their gradients, of CANN's operator types."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from acmix.tools.rehearsal.npu import pool
from acmix.tools.rehearsal.npu.registry import operator
from acmix.tools.rehearsal.npu.windows import Windows, pads_of_same, spatial


@operator("MaxPool", "x >y")
def max_pool(
    x: np.ndarray,
    *,
    ksize: Sequence[int],
    strides: Sequence[int],
    padding: str,
    data_format: str = "NHWC",
) -> np.ndarray:
    """Return the maximum of each window; pads hold nothing."""
    return pool.maximum(x, _windows(x, ksize, strides, padding, data_format))


@operator("MaxPoolGrad", "x1 x2 grad >y")
def max_pool_grad(
    x: np.ndarray,
    y: np.ndarray,
    gradient: np.ndarray,
    *,
    ksize: Sequence[int],
    strides: Sequence[int],
    padding: str,
    data_format: str = "NHWC",
) -> np.ndarray:
    """Return the gradient of ``x``: that of each window goes to its first maximum."""
    windows = _windows(x, ksize, strides, padding, data_format)
    return pool.gradient_of_maximum(gradient, x, windows)


@operator("MaxPoolV3", "x >y")
def max_pool_v3(
    x: np.ndarray,
    *,
    ksize: Sequence[int],
    strides: Sequence[int],
    padding_mode: str = "CALCULATED",
    pads: Sequence[int] = (0, 0, 0, 0),
    data_format: str = "NCHW",
    global_pooling: bool = False,
    ceil_mode: bool = False,
) -> np.ndarray:
    """Return the maximum of each window; pads hold nothing."""
    windows = _windows(
        x, ksize, strides, padding_mode, data_format, pads, global_pooling, ceil_mode
    )
    return pool.maximum(x, windows, pool.grid(x.shape, windows, ceil_mode))


@operator("MaxPoolV3Grad", "orig_input orig_output grad >out_grad")
def max_pool_v3_grad(
    x: np.ndarray,
    y: np.ndarray,
    gradient: np.ndarray,
    *,
    ksize: Sequence[int],
    strides: Sequence[int],
    padding_mode: str = "CALCULATED",
    pads: Sequence[int] = (0, 0, 0, 0),
    data_format: str = "NCHW",
    global_pooling: bool = False,
    ceil_mode: bool = False,
) -> np.ndarray:
    """Return the gradient of ``x``: that of each window goes to its first maximum."""
    windows = _windows(
        x, ksize, strides, padding_mode, data_format, pads, global_pooling, ceil_mode
    )
    return pool.gradient_of_maximum(gradient, x, windows)


@operator("AvgPool", "x >y")
@operator("AvgPoolD", "x >y")
def avg_pool(
    x: np.ndarray,
    *,
    ksize: Sequence[int],
    strides: Sequence[int],
    padding: str,
    data_format: str = "NHWC",
) -> np.ndarray:
    """Return the mean of each window's pixels; those of pads do not count."""
    return pool.mean(x, _windows(x, ksize, strides, padding, data_format))


@operator("AvgPoolGrad", "orig_input_shape input_grad >out_grad")
def avg_pool_grad(
    shape: np.ndarray,
    gradient: np.ndarray,
    *,
    ksize: Sequence[int],
    strides: Sequence[int],
    padding: str,
    data_format: str = "NHWC",
) -> np.ndarray:
    """Return the gradient of an input of ``shape``: windows share theirs among their pixels."""
    sizes = [int(size) for size in shape]
    windows = _windows(np.empty(sizes, np.bool_), ksize, strides, padding, data_format)
    return pool.gradient_of_mean(gradient, sizes, windows)


@operator("AvgPoolV2", "x >y")
def avg_pool_v2(
    x: np.ndarray,
    *,
    ksize: Sequence[int],
    strides: Sequence[int],
    padding_mode: str = "CALCULATED",
    pads: Sequence[int] = (0, 0, 0, 0),
    data_format: str = "NCHW",
    global_pooling: bool = False,
    ceil_mode: bool = False,
    exclusive: bool = True,
    divisor_override: int = 0,
) -> np.ndarray:
    """Return the mean of each window; pads count unless they are ``exclusive``."""
    windows = _windows(
        x, ksize, strides, padding_mode, data_format, pads, global_pooling, ceil_mode
    )
    if padding_mode != "CALCULATED":
        return pool.mean(x, windows)
    wanted = pool.grid(x.shape, windows, ceil_mode)
    return pool.mean(x, windows, wanted, not exclusive, divisor_override)


def _windows(
    x: np.ndarray,
    ksize: Sequence[int],
    strides: Sequence[int],
    padding: str,
    data_format: str,
    pads: Sequence[int] = (0, 0, 0, 0),
    global_pooling: bool = False,
    ceil_mode: bool = False,
) -> Windows:
    """Return a pool's windows; ``pads`` are those of the padding CALCULATED."""
    windows = Windows(spatial(ksize, data_format), spatial(strides, data_format), pads)
    if padding == "CALCULATED":
        return Windows(x.shape[2:], (1, 1), (0, 0, 0, 0)) if global_pooling else windows
    if global_pooling or ceil_mode:
        raise ValueError("global_pooling and ceil_mode need padding_mode CALCULATED")
    if padding == "SAME":
        return windows._replace(pads=pads_of_same(x.shape, windows))
    if padding != "VALID":
        raise ValueError(f"padding {padding} is not known")
    return windows._replace(pads=(0, 0, 0, 0))

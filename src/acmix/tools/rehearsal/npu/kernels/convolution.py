"""Convolutions and their gradients, of the images (B, C, H, W) of CANN's operator types."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from acmix.tools.rehearsal.npu.convolve import convolve, gradient_of_filter, gradient_of_input
from acmix.tools.rehearsal.npu.registry import operator
from acmix.tools.rehearsal.npu.windows import Windows, pads_of_same, spatial


@operator("Conv2D", "x filter bias offset_w >y")
def conv2d(
    x: np.ndarray,
    filter: np.ndarray,
    bias: np.ndarray | None,
    offset_w: None,
    *,
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int] = (1, 1, 1, 1),
    groups: int = 1,
    data_format: str = "NCHW",
    offset_x: int = 0,
    padding: str = "",
) -> np.ndarray:
    """Return the convolution of ``x`` with ``filter`` (O, C / groups, kh, kw)."""
    if offset_w is not None or offset_x:
        raise ValueError("offsets of quantised operands are not known")
    windows = _windows(filter, x.shape, strides, pads, dilations, data_format, padding)
    y = convolve(x, filter, windows, groups)
    return y if bias is None else y + bias.reshape(-1, 1, 1)


@operator("Conv2DBackpropInput", "input_size filter out_backprop >y")
def conv2d_backprop_input(
    input_size: np.ndarray,
    filter: np.ndarray,
    gradient: np.ndarray,
    *,
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int] = (1, 1, 1, 1),
    groups: int = 1,
    data_format: str = "NCHW",
    padding: str = "",
) -> np.ndarray:
    """Return the gradient of a convolution's input, whose shape is ``input_size``."""
    shape = [int(size) for size in input_size]
    windows = _windows(filter, shape, strides, pads, dilations, data_format, padding)
    return gradient_of_input(gradient, filter, shape, windows, groups)


@operator("Conv2DBackpropFilter", "x filter_size out_backprop >y")
def conv2d_backprop_filter(
    x: np.ndarray,
    filter_size: np.ndarray,
    gradient: np.ndarray,
    *,
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int] = (1, 1, 1, 1),
    groups: int = 1,
    data_format: str = "NCHW",
    padding: str = "",
) -> np.ndarray:
    """Return the gradient of a convolution's filter, whose shape is ``filter_size``."""
    filter = np.empty([int(size) for size in filter_size], np.bool_)
    windows = _windows(filter, x.shape, strides, pads, dilations, data_format, padding)
    return gradient_of_filter(gradient, x, windows, groups)


@operator("Conv2DTranspose", "input_size x filter bias offset_w >y")
def conv2d_transpose(
    input_size: np.ndarray,
    x: np.ndarray,
    filter: np.ndarray,
    bias: np.ndarray | None,
    offset_w: None,
    *,
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int] = (1, 1, 1, 1),
    groups: int = 1,
    data_format: str = "NCHW",
    output_padding: Sequence[int] = (0, 0, 0, 0),
    offset_x: int = 0,
) -> np.ndarray:
    """Return the transposed convolution of ``x``: an image of the shape ``input_size``."""
    if offset_w is not None or offset_x:
        raise ValueError("offsets of quantised operands are not known")
    y = conv2d_backprop_input(
        input_size,
        filter,
        x,
        strides=strides,
        pads=pads,
        dilations=dilations,
        groups=groups,
        data_format=data_format,
    )
    return y if bias is None else y + bias.reshape(-1, 1, 1)


@operator("BiasAdd", "x bias >y")
def bias_add(x: np.ndarray, bias: np.ndarray, *, data_format: str = "NHWC") -> np.ndarray:
    """Return x plus a bias for each channel: axis 1 of NCHW, else the last one."""
    return x + bias.reshape([-1 if i == _channels(x, data_format) else 1 for i in range(x.ndim)])


@operator("BiasAddGrad", "x >y")
def bias_add_grad(gradient: np.ndarray, *, data_format: str = "NHWC") -> np.ndarray:
    """Return the sum of a gradient for each channel."""
    channels = _channels(gradient, data_format)
    return gradient.sum(axis=tuple(i for i in range(gradient.ndim) if i != channels))


def _channels(x: np.ndarray, data_format: str) -> int:
    return 1 if data_format in ("NCHW", "NCDHW") else x.ndim - 1


def _windows(
    filter: np.ndarray,
    shape: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[int],
    dilations: Sequence[int],
    data_format: str,
    padding: str,
) -> Windows:
    """Return a convolution's windows; ``padding`` goes before ``pads`` where it is given."""
    windows = Windows(
        filter.shape[2:], spatial(strides, data_format), pads, spatial(dilations, data_format)
    )
    if padding == "SAME":
        return windows._replace(pads=pads_of_same(shape, windows))
    if padding not in ("", "EXPLICIT", "VALID"):
        raise ValueError(f"padding {padding} is not known")
    return windows._replace(pads=(0, 0, 0, 0)) if padding == "VALID" else windows

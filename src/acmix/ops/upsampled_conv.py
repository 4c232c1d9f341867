"""The convolution of an enlarged map, computed from the small map."""

from __future__ import annotations

import numpy as np
from mindspore import Tensor, ops

from acmix.ops.constants import tensor_constant
from acmix.ops.resample import upsampling_matrix


def upsampled_conv(
    x: Tensor, kernel: Tensor, ratio: int, dilation: int, height: int, width: int
) -> Tensor:
    r"""Enlarge a map bilinearly and convolve it, without writing the enlarged map.

    The taps of a kernel mix channels; the enlargement, and the shift of each tap, mix pixels. They
    commute, so that the taps are applied to the small map. What is left is separable:

    .. math:: y_{hw} = \sum_{i,s} U_{h+i,s} \sum_{j,t} U_{w+j,t} K_{ij}\, x_{st}

    In PVT's first stage, C = 64 channels reduced 8-fold to 7 x 7 pixels, an output pixel takes
    9 C^2 / 64 multiply-adds for the taps, 9 * 7 C / 8 along the rows and 3 * 7 C along the columns:
    a fifteenth of the convolution's 9 C^2.

    Args:
        x: (B, h, w, C_in).
        kernel: (C_in, k, k, C) of :func:`kernel_of_small`.
        ratio: see :func:`acmix.ops.resample.upsample`.
        dilation: distance between the kernel's taps.
        height, width: of the enlarged map.

    Returns:
        (B, height, width, C), as with zeros around the enlarged map.
    """
    _, rows, columns, in_channels = x.shape
    _, size, _, channels = kernel.shape
    kernel = kernel.reshape((in_channels, -1)).astype(x.dtype)
    y = ops.MatMul()(x.reshape((-1, in_channels)), kernel)

    # By row and row of the tap, then by column and column of the tap.
    y = y.reshape((-1, columns, size, size * channels)).transpose(0, 2, 1, 3)
    across = _shifted(columns, width, ratio, size, dilation).astype(x.dtype)
    y = ops.matmul(across, y.reshape((-1, columns * size, channels)))
    down = _shifted(rows, height, ratio, size, dilation).astype(x.dtype)
    y = ops.matmul(down, y.reshape((-1, rows * size, width * channels)))
    return y.reshape((-1, height, width, channels))


def kernel_of_small(kernel: Tensor) -> Tensor:
    """Rearrange a convolution's kernel, (C, C_in, k, k), as :func:`upsampled_conv` takes it."""
    return kernel.transpose(1, 2, 3, 0)


@tensor_constant
def _shifted(source: int, target: int, ratio: int, size: int, dilation: int) -> np.ndarray:
    """Return the matrix (target, source * size) of a line: column ``s * k + j`` for tap j."""
    border = dilation * (size // 2)
    padded = np.pad(upsampling_matrix(source, target, ratio), ((border, border), (0, 0)))
    taps = [padded[dilation * tap : dilation * tap + target] for tap in range(size)]
    return np.stack(taps, 2).reshape(target, -1)

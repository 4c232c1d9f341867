"""The convolution of an enlarged map, computed from the small map."""

from __future__ import annotations

import numpy as np
from mindspore import Tensor, nn, ops

from acmix.layers.rearrange import Rearrange
from acmix.ops.constants import tensor_constant
from acmix.ops.resample import upsampling_matrix


class ContextConv(nn.Cell):
    r"""Enlarge a map bilinearly and convolve it, without writing the enlarged map.

    The taps of a kernel mix channels; the enlargement, and the shift of each tap, mix pixels. They
    commute, so that the taps are applied to the small map. What is left is separable:

    .. math:: y_{hw} = \sum_{i,s} U_{h+i,s} \sum_{j,t} U_{w+j,t} K_{ij}\, x_{st}

    In PVT's first stage, C = 64 channels reduced 8-fold to 7 x 7 pixels, an output pixel takes
    9 C^2 / 64 multiply-adds for the taps, 9 * 7 C / 8 along the rows and 3 * 7 C along the columns:
    a fifteenth of the convolution's 9 C^2.

    Args:
        ratio: R, see :func:`acmix.ops.resample.upsample`.
        dilation: distance between the kernel's taps.

    Shape:
        x: (B, h, w, C_in). kernel: (C_in, k, k, C).
        Output: (B, height, width, C), as with zeros around the enlarged map.
    """

    def __init__(self, ratio: int, dilation: int = 1):
        super().__init__()
        self.ratio, self.dilation = ratio, dilation
        self.rearrange = Rearrange()

    def construct(self, x: Tensor, kernel: Tensor, height: int, width: int) -> Tensor:
        """Enlarge and convolve; see the class."""
        _, rows, columns, in_channels = x.shape
        _, size, _, channels = kernel.shape
        taps = x.reshape((-1, in_channels)), kernel.reshape((in_channels, -1)).astype(x.dtype)
        y = ops.MatMul()(*taps)  # (B h w, k k C)

        # By row, then by the row of the tap, then by column and by the column of the tap.
        there, back = _by_row_of_tap(columns, size), _by_row_of_tap(size, columns)
        y = y.reshape((-1, columns * size, size * channels))
        y = self.rearrange(y, there, back).reshape((-1, columns * size, channels))
        y = ops.matmul(_shifted(columns, width, self.ratio, size, self.dilation).astype(x.dtype), y)

        y = y.reshape((-1, rows * size, width * channels))
        y = ops.matmul(_shifted(rows, height, self.ratio, size, self.dilation).astype(x.dtype), y)
        return y.reshape((-1, height, width, channels))


def kernel_of_context(kernel: Tensor) -> Tensor:
    """Rearrange the kernel of a convolution, (C, C_in, k, k), as :class:`ContextConv` takes it."""
    return kernel.transpose(1, 2, 3, 0)


@tensor_constant
def _by_row_of_tap(columns: int, size: int) -> np.ndarray:
    """Return the rows of a transposed (columns, size) grid."""
    return np.arange(columns * size, dtype=np.int32).reshape(columns, size).T.reshape(-1)


@tensor_constant
def _shifted(source: int, target: int, ratio: int, size: int, dilation: int) -> np.ndarray:
    """Return the matrix (target, source * size) of a line: column ``s * k + j`` for tap j."""
    border = dilation * (size // 2)
    padded = np.pad(upsampling_matrix(source, target, ratio), ((border, border), (0, 0)))
    taps = [padded[dilation * tap : dilation * tap + target] for tap in range(size)]
    return np.stack(taps, 2).reshape(target, -1)

"""Learned positions inside of windows."""

from __future__ import annotations

import numpy as np
from mindspore import Parameter, Tensor, nn, ops
from mindspore.common.initializer import initializer

from acmix.errors import check
from acmix.ops.constants import tensor_constant
from acmix.ops.linear import add_to_each
from acmix.utils.cells import Shape, kept_arguments
from acmix.utils.target import current_target


@tensor_constant
def _place(height: int, width: int, window_size: int, axis: int) -> np.ndarray:
    """Return the matrix (H * W, w) that chooses a pixel's row (axis 0) or column in its window."""
    place = np.indices((height, width))[axis].reshape(-1) % window_size
    return np.eye(window_size, dtype=np.float32)[place]


class WindowPositions(nn.Cell):
    """Add a vector of its row in the window to half of a pixel's channels, of its column to half.

    Args:
        dim: C, even.
        window_size: w; the windows begin at the map's first pixel.

    Shape:
        (B, H, W, C) to the same.
    """

    def __init__(self, dim: int, window_size: int):
        super().__init__()
        check(dim % 2 == 0, f"channels with learned positions must be even, got {dim}.")
        self.window_size = window_size
        self.as_bias = not current_target().fast_broadcast
        shape = (window_size, dim // 2)
        self.rows = Parameter(initializer("zeros", shape), name="rows")
        self.columns = Parameter(initializer("zeros", shape), name="columns")

    def extend_repr(self) -> str:
        """Return what ``print`` shows of the Cell beside its parts."""
        return kept_arguments(self, dim=2 * self.rows.shape[1])

    def construct(self, x: Tensor) -> Tensor:
        """Add the vectors."""
        _, height, width, channels = x.shape
        size = (height, width, self.window_size)
        of_rows = ops.matmul(_place(*size, 0), self.rows)
        of_columns = ops.matmul(_place(*size, 1), self.columns)
        vectors = ops.cat((of_rows, of_columns), 1).astype(x.dtype)
        return add_to_each(x, vectors.reshape((height, width, channels)), self.as_bias)

    def macs(self, x_shape: Shape) -> dict[str, int]:
        """Count nothing: the choice of vectors does not depend on the images."""
        return {}

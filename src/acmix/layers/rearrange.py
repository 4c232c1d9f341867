"""Rows in another order, with a gradient that brings them back."""

from __future__ import annotations

import numpy as np
from mindspore import Tensor, nn, ops

from acmix.ops.constants import tensor_constant
from acmix.ops.linear import take_rows


class Rearrange(nn.Cell):
    """Take the rows ``there``; the gradient takes the rows ``back``.

    MindSpore's gradient of a gather adds rows up by their index, between two transpositions. Where
    every row of the input comes once there is nothing to add, and a gather is much faster.

    Shape:
        x: (B, L, d). there: (M,), M at least L. back: (L,), ``there[back]`` being 0..L-1. Rows that
        ``back`` leaves out are copies, and nothing that depends on them may reach the loss.
        Output: (B, M, d).
    """

    def construct(self, x: Tensor, there: Tensor, back: Tensor) -> Tensor:
        """Rearrange."""
        return take_rows(x, there)

    def bprop(
        self, x: Tensor, there: Tensor, back: Tensor, out: Tensor, gradient: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the gradient by x, and zeros for the indices."""
        return take_rows(gradient, back), ops.zeros_like(there), ops.zeros_like(back)


class Roll(nn.Cell):
    """Roll a map cyclically by ``shift`` along H and W.

    One gather of whole pixels, and one in the gradient. Slices and concatenations, an axis at a
    time, are six operators and copy everything twice.

    Shape:
        x: (B, H, W, C) to the same.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rearrange = Rearrange()

    def construct(self, x: Tensor, shift: int) -> Tensor:
        """Roll; the pixel at (0, 0) goes to (shift, shift)."""
        if shift == 0:
            return x
        _, height, width, channels = x.shape
        there, back = _rolled(height, width, shift), _rolled(height, width, -shift)
        pixels = x.reshape((-1, height * width, channels))
        return self.rearrange(pixels, there, back).reshape((-1, height, width, channels))


@tensor_constant
def _rolled(height: int, width: int, shift: int) -> np.ndarray:
    pixels = np.arange(height * width, dtype=np.int32).reshape(height, width)
    return np.roll(pixels, (shift, shift), (0, 1)).reshape(-1)

"""Rows in another order, with a gradient that brings them back."""

from __future__ import annotations

from mindspore import Tensor, nn, ops

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

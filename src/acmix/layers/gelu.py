"""GELU with a gradient of its own."""

from __future__ import annotations

import math

from mindspore import Tensor, nn, ops

from acmix.ops.gelu import gelu, normal_cdf


class GELU(nn.Cell):
    r"""Exact GELU, :math:`x\,\Phi(x)`: Hendrycks and Gimpel, arXiv:1606.08415.

    MindSpore's gradient of the error function squares by a power, which on CPU takes longer than
    the function itself, and keeps four maps. This one keeps x alone and computes
    :math:`\Phi(x) + x\,\varphi(x)`, with the density :math:`\varphi` of the normal distribution.

    Shape:
        Any to the same.
    """

    def construct(self, x: Tensor) -> Tensor:
        """Apply."""
        return gelu(x)

    def bprop(self, x: Tensor, output: Tensor, gradient: Tensor) -> tuple[Tensor]:
        """Return the gradient by x."""
        density = ops.exp(x * (x * -0.5)) * (2 * math.pi) ** -0.5
        return (gradient * (normal_cdf(x) + x * density),)

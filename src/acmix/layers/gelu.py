"""GELU with a gradient of its own, and for inference with factors in the layers around it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from mindspore import Tensor, nn, ops

from acmix.ops.gelu import SCALE, gelu, gelu_by_scaled_erf, normal_cdf, scaled_gelu, silu
from acmix.utils.target import current_target

_QUICK = 1.702


class GELU(nn.Cell):
    r"""Exact GELU, :math:`x\,\Phi(x)`: Hendrycks and Gimpel, arXiv:1606.08415.

    MindSpore's gradient of the error function squares by a power, which on CPU takes longer than
    the function itself, and keeps four maps. This one is :math:`\Phi(x) + x\,\varphi(x)`, with the
    density :math:`\varphi` of the normal distribution; the compiler keeps x and :math:`\Phi(x)`.

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

    def scaled(self) -> ScaledGELU:
        """Return the form for inference, between linear layers that take factors."""
        return inference_gelu()


class QuickGELU(GELU):
    r"""The approximation :math:`x\,\sigma(1.702\,x)` of GELU: arXiv:1606.08415, Sec. 2.

    Shape:
        Any to the same.
    """

    def construct(self, x: Tensor) -> Tensor:
        """Apply."""
        return x * ops.sigmoid(x * _QUICK)

    def bprop(self, x: Tensor, output: Tensor, gradient: Tensor) -> tuple[Tensor]:
        """Return the gradient by x."""
        gate = ops.sigmoid(x * _QUICK)
        return (gradient * (gate + output * (1 - gate) * _QUICK),)

    def scaled(self) -> ScaledGELU:
        """Return the form for inference, between linear layers that take factors."""
        return ScaledGELU(_QUICK, silu, 1 / _QUICK)


class ScaledGELU(NamedTuple):
    """A function of the scaled input that is GELU times a constant.

    The layers before and after it take the factors: ``GELU(x) = after * function(before * x)``.
    """

    before: float
    function: Callable[[Tensor], Tensor]
    after: float


def inference_gelu() -> ScaledGELU:
    """Return the formulation of GELU that is the fastest on the target where layers take factors.

    It is for inference. Where the error function is fast it needs three operators instead of five.
    """
    if current_target().fast_erf:
        return ScaledGELU(2**-0.5, gelu_by_scaled_erf, 2**-0.5)
    return ScaledGELU(SCALE, scaled_gelu, 1 / SCALE)

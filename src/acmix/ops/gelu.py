r"""GELU, :math:`x\,\Phi(x)`, in two formulations."""

from __future__ import annotations

from mindspore import Tensor, ops

# Minimax fit of Phi(x) = sigmoid(P(x)), P odd of degree 9, in the variable y = SCALE * x that
# makes the highest coefficient 1; all others are then of order one, as float16 needs.
SCALE = 0.235618945
_COEFFICIENTS = (6.772190042, 5.575974017, -0.343880918, -1.517086155)


def gelu(x: Tensor) -> Tensor:
    """Return GELU by the error function, exact to rounding."""
    return x * normal_cdf(x)


def normal_cdf(x: Tensor) -> Tensor:
    r"""Return :math:`\Phi(x)`, the distribution function of the normal distribution."""
    return ops.erf(x * 2**-0.5) * 0.5 + 0.5


def silu(x: Tensor) -> Tensor:
    r"""Return :math:`x\,\sigma(x)`."""
    return x * ops.sigmoid(x)


def gelu_by_scaled_erf(y: Tensor) -> Tensor:
    r"""Return :math:`\sqrt 2` GELU(:math:`\sqrt 2 y`), exact to rounding."""
    return y * ops.erf(y) + y


def scaled_gelu(y: Tensor) -> Tensor:
    r"""Return ``SCALE * GELU(y / SCALE)`` to 7e-7, GELU to 3e-6, without an error function.

    .. math:: \Phi(x) \approx \sigma(P(x))

    It is for inference on CPU, where the error function takes as long as eight polynomials, and for
    ONNX, whose exporter has none.
    """
    square = y * y
    polynomial = square + _COEFFICIENTS[3]
    for coefficient in (_COEFFICIENTS[2], _COEFFICIENTS[1], _COEFFICIENTS[0]):
        polynomial = polynomial * square + coefficient
    return y * ops.sigmoid(polynomial * y)

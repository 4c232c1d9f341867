"""Activations and the gradients of functions of one operand."""

from __future__ import annotations

import numpy as np
from scipy import special

from acmix.tools.rehearsal.npu.registry import aclnn, operator


@aclnn("aclnnRelu", "x >y")
@aclnn("aclnnInplaceRelu", "&x")
@operator("Relu", "x >y")
def relu(x: np.ndarray) -> np.ndarray:
    """Return max(x, 0)."""
    return np.maximum(x, 0)


@aclnn("aclnnThreshold", "x threshold value >y")
def threshold(x: np.ndarray, threshold: float, value: float) -> np.ndarray:
    """Return ``x`` where it is above a threshold, else ``value``."""
    return np.where(x > threshold, x, np.asarray(value, x.dtype))


@aclnn("aclnnThresholdBackward", "gradient x threshold >y")
def threshold_gradient(gradient: np.ndarray, x: np.ndarray, threshold: float) -> np.ndarray:
    """Return the gradient where ``x`` is above a threshold, else 0."""
    return np.where(x > threshold, gradient, np.zeros((), gradient.dtype))


@operator("ReluGrad", "gradients features >backprops")
def relu_gradient(gradients: np.ndarray, features: np.ndarray) -> np.ndarray:
    """Return the gradients where the features are positive, else 0."""
    return threshold_gradient(gradients, features, 0)


@aclnn("aclnnSigmoidBackward", "gradient y >dx")
def sigmoid_gradient(gradient: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return gradient y (1 - y); ``y`` is the sigmoid."""
    return gradient * y * (1 - y)


@operator("SigmoidGrad", "y dy >z")
def sigmoid_gradient_operator(
    y: np.ndarray, dy: np.ndarray, *, complex_conj: bool = False
) -> np.ndarray:
    """Return dy y (1 - y); ``y`` is the sigmoid."""
    return sigmoid_gradient(dy, y)


@aclnn("aclnnTanhBackward", "gradient y >dx")
def tanh_gradient(gradient: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return gradient (1 - y²); ``y`` is the hyperbolic tangent."""
    return gradient * (1 - y * y)


@operator("TanhGrad", "y dy >z")
def tanh_gradient_operator(
    y: np.ndarray, dy: np.ndarray, *, complex_conj: bool = False
) -> np.ndarray:
    """Return dy (1 - y²); ``y`` is the hyperbolic tangent."""
    return tanh_gradient(dy, y)


@operator("SqrtGrad", "y dy >z")
def root_gradient(y: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """Return dy / (2 y); ``y`` is the root."""
    return dy / (2 * y)


@operator("RsqrtGrad", "y dy >z")
def reciprocal_root_gradient(y: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """Return -dy y³ / 2; ``y`` is the root's reciprocal."""
    return dy * (y * y * y) / -2


@operator("ReciprocalGrad", "y dy >z")
def reciprocal_gradient(y: np.ndarray, dy: np.ndarray) -> np.ndarray:
    """Return -dy y²; ``y`` is the reciprocal."""
    return -dy * y * y


def gelu(x: np.ndarray) -> np.ndarray:
    """Return x Phi(x), Phi being the normal distribution function."""
    return x * special.ndtr(x)


def gelu_gradient(gradient: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return gradient (Phi(x) + x phi(x)), phi being the density of Phi."""
    density = np.exp(-x * x / 2) / np.sqrt(np.asarray(2 * np.pi, x.dtype))
    return gradient * (special.ndtr(x) + x * density)


@aclnn("aclnnGelu", "x >y")
@operator("Gelu", "x >y")
def gelu_by_tanh(x: np.ndarray) -> np.ndarray:
    """Return x (1 + tanh(u)) / 2 with u = sqrt(2 / pi) (x + 0.044715 x³)."""
    return x * (1 + np.tanh(_tanh_argument(x))) / 2


@aclnn("aclnnGeluBackward", "gradient x >dx")
def gelu_by_tanh_gradient(gradient: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Return gradient times the derivative of x (1 + tanh(u)) / 2."""
    tanh = np.tanh(_tanh_argument(x))
    slope = _ROOT * (1 + 3 * _CUBIC * x * x)
    return gradient * (1 + tanh + x * (1 - tanh * tanh) * slope) / 2


@operator("GeluGrad", "dy x y >z")
def gelu_gradient_operator(dy: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return dy times the derivative of x (1 + tanh(u)) / 2, which is ``y``."""
    return gelu_by_tanh_gradient(dy, x)


@aclnn("aclnnGeluV2", "x approximate:int64 >y")
def gelu_by_number(x: np.ndarray, approximate: int) -> np.ndarray:
    """Return GELU, by its definition or with ``approximate`` 1 by tanh."""
    return (gelu_by_tanh if approximate else gelu)(x)


@aclnn("aclnnGeluBackwardV2", "gradient x approximate:text >dx")
def gelu_gradient_by_name(gradient: np.ndarray, x: np.ndarray, approximate: str) -> np.ndarray:
    """Return GELU's gradient; ``approximate`` is none or tanh.

    Raises:
        ValueError: another ``approximate``.
    """
    if approximate not in ("none", "tanh"):
        raise ValueError(f"approximate {approximate} is not known")
    return (gelu_gradient if approximate == "none" else gelu_by_tanh_gradient)(gradient, x)


_CUBIC = 0.044715
_ROOT = float(np.sqrt(2 / np.pi))


def _tanh_argument(x: np.ndarray) -> np.ndarray:
    return _ROOT * (x + _CUBIC * x * x * x)

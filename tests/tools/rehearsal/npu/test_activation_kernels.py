"""Activations against their definitions, gradients against differences."""

import math

import numpy as np
import pytest
from calls import Scalar, aclnn, aclop

X = np.array([[-3, -1, -0.25], [0.5, 1, 2.5]], np.float32)
GRADIENT = np.array([[1, -2, 0.5], [3, 1, -1]], np.float32)


def gelu(x):
    return x * (1 + math.erf(x / math.sqrt(2))) / 2


def gelu_by_tanh(x):
    return x / (1 + math.exp(-1.5957691216057308 * (x + 0.044715 * x**3)))  # the same by a sigmoid


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def reciprocal(x):
    return 1 / x


def reciprocal_root(x):
    return 1 / math.sqrt(x)


def each(function, x=X):
    return np.array([function(one) for one in x.ravel().tolist()]).reshape(x.shape)


def gradient(function, x=X):
    """Return GRADIENT times central differences in float64."""
    step = 1e-5
    slopes = each(lambda one: (function(one + step) - function(one - step)) / (2 * step), x)
    return GRADIENT * slopes


def agrees(out, wanted):
    np.testing.assert_allclose(out, wanted, rtol=2e-6, atol=2e-6)


def test_relu():
    x, out = np.array([-1, 0, 2, np.nan, -np.inf, np.inf], np.float32), np.empty(6, np.float32)
    wanted = [0, 0, 2, np.nan, 0, np.inf]
    aclnn("aclnnRelu", x, out)
    np.testing.assert_array_equal(out, wanted)
    aclop("Relu", {"x": x}, {"y": out})
    np.testing.assert_array_equal(out, wanted)
    aclnn("aclnnInplaceRelu", x)
    np.testing.assert_array_equal(x, wanted)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_gradient_of_relu_is_zero_at_zero(dtype):
    x, dy = np.array([-1, 0, 2, 1e-7], dtype), np.array([3, 4, 5, np.inf], dtype)
    out = np.empty(4, dtype)
    aclop("ReluGrad", {"gradients": dy, "features": x}, {"backprops": out})
    assert out.tolist() == [0, 0, 5, np.inf]
    aclnn("aclnnThresholdBackward", dy, x, Scalar(0), out)
    assert out.tolist() == [0, 0, 5, np.inf]
    aclnn("aclnnThresholdBackward", dy, x, Scalar(1.5), out)
    assert out.tolist() == [0, 0, 5, 0]


def test_threshold():
    out = np.empty((2, 3), np.float32)
    aclnn("aclnnThreshold", X, Scalar(0.5), Scalar(-7), out)
    assert out.tolist() == [[-7, -7, -7], [-7, 1, 2.5]]


def test_gradients_of_sigmoid_and_tanh():
    out = np.empty((2, 3), np.float32)
    for name, function in [("Sigmoid", sigmoid), ("Tanh", math.tanh)]:
        y = each(function).astype(np.float32)
        aclnn(f"aclnn{name}Backward", GRADIENT, y, out)
        agrees(out, gradient(function))
        aclop(f"{name}Grad", {"y": y, "dy": GRADIENT}, {"z": out})
        agrees(out, gradient(function))


@pytest.mark.parametrize(
    ("name", "function"),
    [("SqrtGrad", math.sqrt), ("RsqrtGrad", reciprocal_root), ("ReciprocalGrad", reciprocal)],
)
def test_gradients_by_results(name, function):
    x, out = np.abs(X), np.empty((2, 3), np.float32)
    y = each(function, x).astype(np.float32)
    aclop(name, {"y": y, "dy": GRADIENT}, {"z": out})
    np.testing.assert_allclose(out, gradient(function, x), rtol=1e-5)


def test_gelu_of_both_kinds():
    out = np.empty((2, 3), np.float32)
    aclnn("aclnnGelu", X, out)
    agrees(out, each(gelu_by_tanh))
    aclop("Gelu", {"x": X}, {"y": out})
    agrees(out, each(gelu_by_tanh))
    aclnn("aclnnGeluV2", X, 0, out)
    agrees(out, each(gelu))
    aclnn("aclnnGeluV2", X, 1, out)
    agrees(out, each(gelu_by_tanh))


def test_gradients_of_gelu_of_both_kinds():
    out = np.empty((2, 3), np.float32)
    aclnn("aclnnGeluBackward", GRADIENT, X, out)
    agrees(out, gradient(gelu_by_tanh))
    y = each(gelu_by_tanh).astype(np.float32)
    aclop("GeluGrad", {"dy": GRADIENT, "x": X, "y": y}, {"z": out})
    agrees(out, gradient(gelu_by_tanh))
    for approximate, function in [("none", gelu), ("tanh", gelu_by_tanh)]:
        aclnn("aclnnGeluBackwardV2", GRADIENT, X, approximate, out)
        agrees(out, gradient(function))
    with pytest.raises(AssertionError, match="approximate erf is not known"):
        aclnn("aclnnGeluBackwardV2", GRADIENT, X, "erf", out)


def test_views_of_float16():
    x, out = X.astype(np.float16), np.empty((3, 2), np.float16)
    aclnn("aclnnGeluV2", x.T, 0, out)
    np.testing.assert_allclose(out, each(gelu).T, rtol=1e-3)

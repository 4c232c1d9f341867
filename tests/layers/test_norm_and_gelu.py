"""LayerNorm and GELU in their formulations against their definitions."""

import math

import mindspore as ms
import numpy as np
import pytest
from against_oracle import assert_matches, randomise
from mindspore import Tensor

from acmix.layers.gelu import GELU, QuickGELU, inference_gelu
from acmix.layers.norm import LayerNorm
from acmix.ops.gelu import SCALE, scaled_gelu
from acmix.utils.modes import built_for


def layer_norm(inputs, parameters):
    (x,) = inputs
    centred = x - x.mean(-1, keepdims=True)
    normed = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    return normed * parameters["gamma"] + parameters["beta"]


@pytest.mark.parametrize("device", ["CPU", "Ascend"])
@pytest.mark.parametrize("shape", [(5, 12), (2, 3, 4, 7)])
def test_layer_norm(shape, device, rng):
    with built_for(device):
        norm = LayerNorm(shape[-1])
    randomise(norm, rng)
    assert norm.native == (device == "Ascend")
    assert_matches(norm, layer_norm, [rng.standard_normal(shape) + 2], rng)


@pytest.mark.parametrize("device", ["CPU", "Ascend"])
def test_layer_norm_of_pixels_that_hardly_differ(device, mode, rng):
    """Their variance is below epsilon, which the gradient must not forget."""
    with built_for(device):
        norm = LayerNorm(12)
    randomise(norm, rng)
    assert_matches(norm, layer_norm, [1e-3 * rng.standard_normal((5, 12))], rng)


def exact(x):
    return np.vectorize(lambda v: v * 0.5 * math.erfc(-v / 2**0.5))(x)


def quick(x):
    return x / (1 + np.exp(-1.702 * x))


@pytest.mark.parametrize(("cell", "oracle"), [(GELU, exact), (QuickGELU, quick)])
def test_gelus_and_their_gradients(cell, oracle, mode, rng):
    x = [rng.standard_normal((4, 50)) * 2]
    assert_matches(cell(), lambda inputs, _: oracle(inputs[0]), x, rng)


@pytest.mark.parametrize(("cell", "oracle"), [(GELU, exact), (QuickGELU, quick)])
def test_slopes_far_from_zero(cell, oracle, mode):
    """Squares and exponents of large numbers must not become NaN, in half precision neither."""
    x = np.array([-60000, -300, -9, -5, 0, 5, 9, 300, 60000], np.float64)
    with np.errstate(over="ignore"):
        slopes = (oracle(x + 1e-4) - oracle(x - 1e-4)) / 2e-4
    for dtype, bound in ((ms.float32, 1e-5), (ms.float16, 5e-3)):
        gradient = ms.grad(cell())(Tensor(x, dtype))
        np.testing.assert_allclose(gradient.astype(ms.float32).asnumpy(), slopes, atol=bound)


def test_form_of_quick_gelu_for_inference():
    form, x = QuickGELU().scaled(), np.linspace(-9, 9, 101, dtype=np.float32)
    y = form.function(Tensor(x * np.float32(form.before))).asnumpy() * form.after
    np.testing.assert_allclose(y, quick(x), atol=1e-6)


def test_gelu_without_an_error_function_is_within_3e_6():
    x = np.linspace(-40, 40, 40001)
    y = scaled_gelu(Tensor((x * SCALE).astype(np.float32))).asnumpy() / SCALE
    error = np.abs(y - exact(x)) / np.maximum(np.abs(x), 1)
    assert error.max() < 3.5e-6
    assert y[0] == 0


@pytest.mark.parametrize(("device", "bound"), [("CPU", 3.5e-6), ("Ascend", 3e-7)])
def test_gelu_between_layers_that_take_its_factors(device, bound):
    x = np.linspace(-40, 40, 40001)
    with built_for(device):
        form = inference_gelu()
    y = form.function(Tensor((x * form.before).astype(np.float32))).asnumpy() * form.after
    assert (np.abs(y - exact(x)) / np.maximum(np.abs(x), 1)).max() < bound


def test_gelu_without_an_error_function_in_half_precision():
    x = np.array([-60000, -300, -5, -0.1, 0, 0.1, 5, 300, 60000], np.float32)
    y = scaled_gelu(Tensor(x * SCALE, ms.float16)).asnumpy().astype(np.float64) / SCALE
    np.testing.assert_allclose(y, exact(x.astype(np.float64)), rtol=5e-3, atol=2e-3)

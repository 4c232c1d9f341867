"""The layers of tokens-to-token against their definition, and their numbers in half precision."""

import math

import mindspore as ms
import numpy as np
import pytest
from against_oracle import assert_matches, randomise
from layers.patches import patch_linear
from mindspore import Tensor

from acmix.engine.precision import apply_mixed_precision
from acmix.layers.attention.channel_first import ChannelFirstAttention
from acmix.layers.patch_attention import PatchPerformer, PatchSoftmaxAttention
from acmix.utils.parameters import set_value

PATCHES = (3, 2, 1)
erf = np.vectorize(math.erf)


def below(p, prefix):
    return {name.removeprefix(prefix): v for name, v in p.items() if name.startswith(prefix)}


def pointwise(x, p, name):
    out = np.einsum("oi,bihw->bohw", p[f"{name}.weight"][:, :, 0, 0], x)
    return out + p[f"{name}.bias"][:, None, None]


def layer(x, p, attend):
    parts = patch_linear(x, below(p, "embed."), *PATCHES)
    size = parts.shape
    parts = np.split(parts.reshape(size[0], size[1], -1), 3, 1)
    v = parts[2].reshape(size[0], -1, *size[2:])
    t = v + pointwise(attend(*parts).reshape(v.shape), p, "proj")
    hidden = patch_linear(t, below(p, "mlp_in."), 1, 1, 0)
    return t + pointwise(hidden * (erf(hidden / 2**0.5) + 1) / 2, p, "mlp_out")


def test_performer_equals_the_definition(mode, rng):
    net = PatchPerformer(3, 4, *PATCHES)
    w = net.w.asnumpy().astype(np.float64)
    np.testing.assert_allclose(w @ w.T, 2 * np.eye(2), atol=1e-5)
    randomise(net, rng)

    def features(z, p):
        exponent = np.einsum("mc,bcl->bml", p["w"], z) - (z**2).sum(1, keepdims=True) / 2
        return np.exp(exponent) / 2**0.5

    def run(inputs, p):
        def attend(k, q, v):
            q, k = features(q, p), features(k, p)
            weights = np.einsum("bmi,bmj->bij", q, k)
            weights = weights / (weights.sum(2, keepdims=True) + 1e-8)
            return np.einsum("bij,bcj->bci", weights, v)

        return layer(inputs[0], p, attend)

    assert_matches(net, run, [rng.standard_normal((2, 3, 6, 8))], rng)


def test_softmax_equals_the_definition(mode, rng):
    net = PatchSoftmaxAttention(3, 4, *PATCHES)
    randomise(net, rng)

    def attend(q, k, v):
        weights = np.exp(np.einsum("bci,bcj->bij", q, k) * 27**-0.5)
        return np.einsum("bij,bcj->bci", weights / weights.sum(2, keepdims=True), v)

    x = rng.standard_normal((2, 3, 6, 8))
    assert_matches(net, lambda inputs, p: layer(inputs[0], p, attend), [x], rng)


@pytest.mark.parametrize("num_heads", [1, 3])
def test_channel_first_attention_equals_the_definition(num_heads, mode, rng):
    net = ChannelFirstAttention(6, num_heads, scale=0.3)

    def run(inputs, p):
        q, k, v = (x.reshape(2, num_heads, 6 // num_heads, -1) for x in inputs)
        weights = np.exp(0.3 * np.einsum("bnci,bncj->bnij", q, k))
        weights = weights / weights.sum(3, keepdims=True)
        return np.einsum("bnij,bncj->bnci", weights, v).reshape(2, 6, -1)

    inputs = [rng.standard_normal((2, 6, length)) for length in (5, 7, 7)]
    assert_matches(net, run, inputs, rng)


@pytest.mark.parametrize("size", [1.0, 20.0])
def test_performer_is_finite_in_half_precision(size, rng):
    """Its features go up to e^32 and down to nothing, which float16 has not."""
    ms.set_context(mode=ms.PYNATIVE_MODE)
    performer = PatchPerformer(3, 64, 7, 4, 2)
    set_value(performer.embed.weight, performer.embed.weight.asnumpy() * 10 * size)
    net = apply_mixed_precision(performer, "O2").set_train()
    x = Tensor(rng.standard_normal((2, 3, 32, 32)).astype(np.float32))
    value, gradients = ms.value_and_grad(
        lambda x: net(x).astype(ms.float32).sum(), None, net.trainable_params()
    )(x)
    assert np.isfinite(value.asnumpy())
    assert all(np.isfinite(gradient.asnumpy()).all() for gradient in gradients)

"""Losses and optimizers' steps against MindSpore on CPU, and against loops over single numbers."""

import math

import mindspore as ms
import numpy as np
import pytest
from calls import aclop
from mindspore import ops

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def scalars(**values):
    return {key: np.array(value, np.float32) for key, value in values.items()}


@pytest.mark.parametrize("scale", [1, 100])  # whose exponentials overflow
def test_softmax_cross_entropy(scale):
    features, labels = scale * normal(4, 5), ops.softmax(ms.Tensor(normal(4, 5))).asnumpy()
    loss, gradient = np.empty(4, np.float32), np.empty((4, 5), np.float32)
    given = {"features": features, "labels": labels}
    aclop("SoftmaxCrossEntropyWithLogits", given, {"loss": loss, "backprop": gradient})
    wanted = ops.SoftmaxCrossEntropyWithLogits()(ms.Tensor(features), ms.Tensor(labels))
    np.testing.assert_allclose(loss, wanted[0].asnumpy(), rtol=1e-5)
    np.testing.assert_allclose(gradient, wanted[1].asnumpy(), atol=1e-6)


def test_adam_with_decay():
    """The scalars' names are CANN's; what each is, is MindSpore's AdamWeightDecay."""
    weight, first, second, gradient = normal(3, 2), normal(3, 2), normal(3, 2) ** 2, normal(3, 2)
    parameters = [ms.Parameter(ms.Tensor(one), name="p") for one in (weight, first, second)]
    rate, beta1, beta2, eps, decay = 0.1, 0.8, 0.9, 1e-3, 0.05
    ops.AdamWeightDecay()(*parameters, rate, beta1, beta2, eps, decay, ms.Tensor(gradient))
    given = {"input0": gradient, "input1": second, "input2": first, "input3": weight}
    given |= scalars(input4=rate, mul0_x=beta1, mul1_x=1 - beta1, mul2_x=beta2, mul3_x=1 - beta2)
    given |= scalars(mul4_x=decay, add2_y=eps)
    outputs = {"input1": second, "input2": first, "input3": weight}
    aclop("AdamApplyOneWithDecayAssign", given, outputs)
    for own, wanted in zip((weight, first, second), parameters, strict=True):
        np.testing.assert_allclose(own, wanted.asnumpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("momentum", [0.5, 0.0])
def test_sgd(dtype, nesterov, momentum):
    """Two steps; the first of each number is not damped, and without momentum nothing is kept."""
    rate, dampening, decay = 0.25, 0.5 * (not nesterov), 0.125
    weight, kept = np.array([1, -2], dtype), np.zeros(2, dtype)
    is_first = np.ones(2, dtype)
    wanted, total = [1.0, -2.0], [0.0, 0.0]
    for step, gradients in enumerate(([0.5, 1], [-1, 0.25])):
        given = {"parameters": weight, "gradient": np.array(gradients, dtype)}
        given |= {"learning_rate": np.array(rate, dtype), "accum": kept}
        given |= {"momentum": np.array(momentum, dtype), "stat": is_first}
        attributes = {"dampening": dampening, "weight_decay": decay, "nesterov": nesterov}
        aclop("SGD", given, {"parameters": weight}, **attributes)
        for i, gradient in enumerate(gradients):
            g = gradient + decay * wanted[i]
            damped = g if step == 0 or momentum == 0 else (1 - dampening) * g
            total[i] = momentum * total[i] + damped
            wanted[i] -= rate * (g + momentum * total[i] if nesterov else total[i])
    np.testing.assert_allclose(weight, wanted, rtol=1e-3 if dtype == np.float16 else 1e-6)
    if momentum:
        np.testing.assert_allclose(kept, total, rtol=1e-3)
        assert is_first.tolist() == [0, 0]
    else:
        assert (kept.tolist(), is_first.tolist()) == ([0, 0], [1, 1])


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum(nesterov):
    var, accum = np.array([1, -2], np.float32), np.array([0.5, 3], np.float32)
    given = {"var": var, "accum": accum, "grad": np.array([2, -1], np.float32)}
    given |= scalars(lr=0.1, momentum=0.9)
    aclop("ApplyMomentum", given, {"var": var}, use_nesterov=nesterov)
    totals = [0.9 * 0.5 + 2, 0.9 * 3 - 1]
    moves = [2 + 0.9 * totals[0], -1 + 0.9 * totals[1]] if nesterov else totals
    np.testing.assert_allclose(accum, totals, rtol=1e-6)
    np.testing.assert_allclose(var, [1 - 0.1 * moves[0], -2 - 0.1 * moves[1]], rtol=1e-6)


def test_a_loss_that_is_not_finite_stays_so():
    features, labels = np.array([[np.nan, 1]], np.float32), np.array([[1, 0]], np.float32)
    loss, gradient = np.empty(1, np.float32), np.empty((1, 2), np.float32)
    given = {"features": features, "labels": labels}
    aclop("SoftmaxCrossEntropyWithLogits", given, {"loss": loss, "backprop": gradient})
    assert math.isnan(loss[0])
    assert np.isnan(gradient).all()

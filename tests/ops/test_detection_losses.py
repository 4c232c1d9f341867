"""Focal loss and smooth L1 against the papers' formulas in float64, gradients included."""

import mindspore as ms
import numpy as np
import oracles_detection as oracles
import pytest
from mindspore import Tensor

from acmix.ops.losses import sigmoid_focal_loss, smooth_l1


def value_and_slope(mode, loss, prediction, target, *arguments):
    """Return the elementwise loss and its derivative by the prediction."""

    def elements(prediction, target):
        return loss(prediction, target, *arguments)

    def total(prediction, target):
        return elements(prediction, target).sum()

    slope = ms.grad(total)
    if mode == "graph":
        elements, slope = ms.jit(elements), ms.jit(slope)
    inputs = Tensor(prediction), Tensor(target)
    return elements(*inputs), slope(*inputs).asnumpy()


def differences(oracle, prediction, target, *arguments, step=1e-6):
    prediction = prediction.astype(np.float64)
    ahead, behind = (oracle(prediction + s, target, *arguments) for s in (step, -step))
    return (ahead - behind) / (2 * step)


@pytest.mark.parametrize(("alpha", "gamma"), [(0.25, 2.0), (0.5, 0.0), (0.75, 0.5)])
def test_focal_loss_and_gradient_follow_the_paper(mode, rng, alpha, gamma):
    logits = np.concatenate([3 * rng.standard_normal(60), [0.0, 0.0]]).astype(np.float32)
    targets = (np.arange(62) % 2).astype(np.int32)
    value, slope = value_and_slope(mode, sigmoid_focal_loss, logits, targets, alpha, gamma)
    expected = oracles.focal_loss(logits.astype(np.float64), targets, alpha, gamma)
    np.testing.assert_allclose(value.asnumpy(), expected, rtol=2e-5, atol=1e-7)
    expected = differences(oracles.focal_loss, logits, targets, alpha, gamma)
    np.testing.assert_allclose(slope, expected, rtol=2e-4, atol=1e-6)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_huge_logits_give_finite_losses_and_gradients(dtype, gamma):
    logits = np.array([80, -80, 80, -80, 0, 0], dtype)
    targets = np.array([1, 1, 0, 0, 1, 0], dtype)
    value, slope = value_and_slope("graph", sigmoid_focal_loss, logits, targets, 0.25, gamma)
    assert value.dtype == ms.float32
    assert np.isfinite(slope).all()
    expected = oracles.focal_loss(logits.astype(np.float64), targets, 0.25, gamma)
    np.testing.assert_allclose(value.asnumpy(), expected, rtol=1e-5, atol=1e-7)
    # Far on the wrong side the loss is linear in the logit.
    np.testing.assert_allclose(slope[1:3], [-0.25, 0.75], rtol=1e-4)
    np.testing.assert_allclose(slope[[0, 3]], 0, atol=1e-7)


def test_half_precision_logits_lose_nothing_but_their_own_rounding(rng):
    logits = rng.standard_normal(50).astype(np.float16)
    targets = rng.integers(0, 2, 50).astype(np.float16)
    value, _ = value_and_slope("graph", sigmoid_focal_loss, logits, targets, 0.25, 2.0)
    expected = oracles.focal_loss(logits.astype(np.float64), targets, 0.25, 2.0)
    np.testing.assert_allclose(value.asnumpy(), expected, rtol=2e-5, atol=1e-7)


@pytest.mark.parametrize("beta", [0.0, 1 / 9, 1.0])
def test_smooth_l1_and_gradient_follow_the_formula(mode, rng, beta):
    prediction = rng.standard_normal((4, 9)).astype(np.float32)
    target = prediction + rng.uniform(-2, 2, (4, 9)).astype(np.float32)
    value, slope = value_and_slope(mode, smooth_l1, prediction, target, beta)
    wide = target.astype(np.float64)
    expected = oracles.smooth_l1(prediction.astype(np.float64), wide, beta)
    np.testing.assert_allclose(value.asnumpy(), expected, rtol=1e-5, atol=1e-7)
    expected = differences(oracles.smooth_l1, prediction, wide, beta)
    np.testing.assert_allclose(slope, expected, rtol=1e-4, atol=1e-4)


def test_smooth_l1_is_smooth_at_its_bend_and_flat_at_zero():
    prediction = np.array([1.0, -1.0, 0.0, 30000.0], np.float16)
    value, slope = value_and_slope("graph", smooth_l1, prediction, np.zeros(4, np.float16), 1.0)
    np.testing.assert_allclose(value.asnumpy(), [0.5, 0.5, 0, 29999.5])
    np.testing.assert_allclose(slope, [1, -1, 0, 1])

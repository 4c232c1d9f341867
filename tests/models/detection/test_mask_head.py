"""The mask head and its loss give what mmdetection's give with the same weights."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor
from models.detection.golden_heads import load_head
from models.segmentation.golden_segmenters import load

from acmix.engine.precision import apply_mixed_precision
from acmix.errors import UserError
from acmix.models.detection.mask_head import MaskHead


def arguments_of_loss(rng):
    """Return logits of 3 classes, labels, targets, and which are positive, of two images."""
    logits = rng.standard_normal((2, 3, 3, 4, 4)).astype(np.float32)
    logits[0, 0] = 0  # where |z| has no slope
    labels = np.array([[2, 0, 1], [1, 3, 0]], np.int32)
    targets = (rng.random((2, 3, 4, 4)) < 0.5).astype(np.float32)
    return logits, labels, targets, np.array([[True, True, False], [True, False, False]])


def gradient_of(head, mode):
    gradient = ms.grad(head.loss, 0)
    return ms.jit(gradient) if mode == "graph" else gradient


def test_head_and_loss_of_mmdetection(mode):
    golden = load("mask_head")
    head = load_head(MaskHead(6, 4, channels=6), golden.state)
    logits = head(Tensor(golden.in_x[None]))
    np.testing.assert_allclose(logits.asnumpy()[0], golden.out_logits, atol=1e-5)
    labels = golden.in_labels.astype(np.int32)[None]
    positive = np.ones((1, 5), bool)
    loss = head.loss(logits, *map(Tensor, (labels, golden.out_targets[None], positive)))
    np.testing.assert_allclose(loss.asnumpy(), golden.out_loss[0], rtol=1e-5)


def test_loss_is_the_mean_over_the_pixels_of_all_positives(mode, rng):
    arguments = arguments_of_loss(rng)
    logits, labels, targets, positive = arguments
    head = MaskHead(4, 3, 0, 4)
    image, box = np.nonzero(positive)
    own = logits[image, box, labels[image, box]].astype(np.float64)
    wanted = targets[image, box]
    probability = 1 / (1 + np.exp(-own))
    entropy = -np.log(np.where(wanted == 1, probability, 1 - probability))
    loss = head.loss(*map(Tensor, arguments))
    np.testing.assert_allclose(loss.asnumpy(), entropy.mean(), rtol=1e-5)
    slopes = gradient_of(head, mode)(*map(Tensor, arguments)).asnumpy()
    expected = np.zeros_like(logits)
    expected[image, box, labels[image, box]] = (probability - wanted) / entropy.size
    np.testing.assert_allclose(slopes, expected, atol=1e-6)


def test_without_positives_the_loss_is_0_and_has_no_gradient(mode, rng):
    logits, labels, targets, positive = arguments_of_loss(rng)
    logits[0, 0], logits[1, 1, 0] = 1e38, -np.inf
    positive[:] = False
    head = MaskHead(4, 3, 0, 4)
    arguments = list(map(Tensor, (logits, labels, targets, positive)))
    assert head.loss(*arguments).asnumpy() == 0
    assert not gradient_of(head, mode)(*arguments).asnumpy().any()


def test_gradient_reaches_every_weight(mode, rng):
    head = MaskHead(2, 2, 1, 3).set_train(True)
    for parameter in head.trainable_params():  # with biases of 0 some sums are at ReLU's bend
        parameter.set_data(Tensor(rng.standard_normal(parameter.shape).astype(np.float32)))
    features = Tensor(rng.standard_normal((1, 2, 2, 3, 3)).astype(np.float32))
    labels, positive = Tensor(np.array([[0, 1]], np.int32)), Tensor(np.array([[True, True]]))
    targets = Tensor((rng.random((1, 2, 6, 6)) < 0.5).astype(np.float32))

    def loss_of(features):
        return head.loss(head(features), labels, targets, positive)

    gradient = ms.grad(loss_of, None, tuple(head.trainable_params()))
    gradient = ms.jit(gradient) if mode == "graph" else gradient
    slopes = gradient(features)
    step = 3e-3
    for parameter, slope in zip(head.trainable_params(), slopes, strict=True):
        value, direction = parameter.asnumpy().copy(), np.sign(slope.asnumpy())
        assert direction.any(), parameter.name
        ends = []
        for side in (-1, 1):
            parameter.set_data(Tensor(value + np.float32(side * step) * direction))
            ends.append(float(loss_of(features).asnumpy()))
        parameter.set_data(Tensor(value))
        expected = (ends[1] - ends[0]) / (2 * step)
        np.testing.assert_allclose(np.abs(slope.asnumpy()).sum(), expected, rtol=0.02)


def test_half_precision_gives_logits_in_float32(rng):
    head = MaskHead(4, 3, 1, 4).set_train(False)
    features = rng.standard_normal((1, 2, 4, 3, 3)).astype(np.float32)
    full = head(Tensor(features)).asnumpy()
    half = apply_mixed_precision(head, "O2")(Tensor(features))
    assert half.dtype == ms.float32
    np.testing.assert_allclose(half.asnumpy(), full, atol=1e-2)
    assert (half.asnumpy() != full).any()


def test_initial_values():
    head = MaskHead(32, 20, 1, 64)
    spread = {name: p.asnumpy().std() for name, p in head.parameters_and_names()}
    assert not any(p.asnumpy().any() for n, p in head.parameters_and_names() if "bias" in n)
    fan_out = {"convs.0.conv": 9 * 64, "upsample": 4 * 64, "conv_logits": 20}
    for name, fan in fan_out.items():
        np.testing.assert_allclose(spread[f"{name}.weight"], (2 / fan) ** 0.5, rtol=0.05)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((4, 0), "num_classes must be at least 1, got 0"),
        ((4, 2, -1), "num_convs must not be negative, got -1"),
    ],
)
def test_impossible_heads_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        MaskHead(*arguments)

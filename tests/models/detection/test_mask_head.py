"""The mask head and its loss give what mmdetection's give with the same weights."""

import mindspore as ms
import numpy as np
import pytest
from golden_arrays import load
from mindspore import Tensor
from models.detection.golden_heads import load_head

from acmix.engine.precision import apply_mixed_precision
from acmix.errors import UserError
from acmix.models.detection.mask_head import MaskHead
from acmix.tools.analysis.macs import trace


def arguments_of_loss(rng):
    """Return maps, targets, and which are positive, of two images."""
    maps = rng.standard_normal((2, 3, 4, 4)).astype(np.float32)
    maps[0, 0, 0] = 0  # where |z| has no slope
    targets = (rng.random((2, 3, 4, 4)) < 0.5).astype(np.float32)
    return maps, targets, np.array([[True, True, False], [True, False, False]])


def maps_of_all(head, features, num_classes):
    """Return the logits (B, R, K, S, S) of all classes."""
    shape = features.shape[:2]
    labels = [Tensor(np.full(shape, label, np.int32)) for label in range(num_classes)]
    return np.stack([head(features, label).asnumpy() for label in labels], 2)


def gradient_of(head, mode):
    gradient = ms.grad(head.loss, 0)
    return ms.jit(gradient) if mode == "graph" else gradient


def test_head_and_loss_of_mmdetection(mode):
    golden = load("mask_head")
    head = load_head(MaskHead(6, 4, channels=6), golden.state)
    features, labels = Tensor(golden.in_x[None]), golden.in_labels.astype(np.int32)
    maps = head(features, Tensor(labels[None]))
    expected = golden.out_logits[np.arange(5), labels]
    np.testing.assert_allclose(maps.asnumpy()[0], expected, atol=1e-5)
    loss = head.loss(maps, Tensor(golden.out_targets[None]), Tensor(np.ones((1, 5), bool)))
    np.testing.assert_allclose(loss.asnumpy(), golden.out_loss[0], rtol=1e-5)
    every = maps_of_all(head, features, 4)[0]
    np.testing.assert_allclose(every, golden.out_logits, atol=1e-5)


def test_each_box_has_the_map_of_its_own_class(mode, rng):
    head = MaskHead(2, 3, 1, 4)
    features = Tensor(rng.standard_normal((2, 3, 2, 3, 5)).astype(np.float32))
    labels = np.array([[2, 0, 1], [-1, 3, 1]], np.int32)
    maps, every = head(features, Tensor(labels)).asnumpy(), maps_of_all(head, features, 3)
    assert every.shape == (2, 3, 3, 6, 10)
    for image, box in np.ndindex(2, 3):
        expected = every[image, box, min(max(labels[image, box], 0), 2)]
        np.testing.assert_array_equal(maps[image, box], expected)


def test_loss_is_the_mean_over_the_pixels_of_all_positives(mode, rng):
    maps, targets, positive = arguments_of_loss(rng)
    arguments = tuple(map(Tensor, (maps, targets, positive)))
    head = MaskHead(4, 3, 0, 4)
    own, wanted = maps[positive].astype(np.float64), targets[positive]
    probability = 1 / (1 + np.exp(-own))
    entropy = -np.log(np.where(wanted == 1, probability, 1 - probability))
    np.testing.assert_allclose(head.loss(*arguments).asnumpy(), entropy.mean(), rtol=1e-5)
    expected = np.zeros_like(maps)
    expected[positive] = (probability - wanted) / entropy.size
    slopes = gradient_of(head, mode)(*arguments).asnumpy()
    np.testing.assert_allclose(slopes, expected, atol=1e-6)


def test_without_positives_the_loss_is_0_and_has_no_gradient(mode, rng):
    maps, targets, positive = arguments_of_loss(rng)
    maps[0, 0], maps[1, 1, 0] = 1e38, -np.inf
    positive[:] = False
    head = MaskHead(4, 3, 0, 4)
    arguments = tuple(map(Tensor, (maps, targets, positive)))
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
        return head.loss(head(features, labels), targets, positive)

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
    labels = Tensor(np.array([[0, 2]], np.int32))
    full = head(Tensor(features), labels).asnumpy()
    half = apply_mixed_precision(head, "O2")(Tensor(features), labels)
    assert half.dtype == ms.float32
    np.testing.assert_allclose(half.asnumpy(), full, atol=1e-2)
    assert (half.asnumpy() != full).any()


@pytest.mark.onnx
def test_onnx_form_gives_the_same(rng, tmp_path):
    """The reason for a 1x1 convolution: onnxruntime refuses MindSpore's ConvTranspose."""
    import onnxruntime

    head = MaskHead(2, 3, 1, 4).set_train(False)
    features = rng.standard_normal((1, 2, 2, 3, 3)).astype(np.float32)
    labels = np.array([[0, 2]], np.int32)
    inputs = (Tensor(features), Tensor(labels))
    ms.export(head, *inputs, file_name=str(tmp_path / "head"), file_format="ONNX")
    session = onnxruntime.InferenceSession(tmp_path / "head.onnx")
    names = [given.name for given in session.get_inputs()]
    (maps,) = session.run(None, dict(zip(names, (features, labels), strict=True)))
    np.testing.assert_allclose(maps, head(*inputs).asnumpy(), atol=1e-5)


def test_counts_are_those_of_mask_rcnn():
    assert sum(p.size for p in MaskHead(256, 80).trainable_params()) == 2_643_280
    labels = Tensor(np.zeros((1, 2), np.int32))
    traced = trace(MaskHead(6, 4, 1, 8), Tensor(np.zeros((1, 2, 6, 14, 14), np.float32)), labels)
    assert traced.uncounted == ()
    assert traced.macs == 2 * (196 * 9 * 6 * 8 + 784 * 8 * 8 + 784 * 8 * 4)


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

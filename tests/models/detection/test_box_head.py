"""Box heads and their losses give what mmdetection's give with the same weights."""

import mindspore as ms
import numpy as np
import pytest
from golden_arrays import load
from mindspore import Tensor, ops
from models.detection.golden_heads import load_head

from acmix.engine.precision import apply_mixed_precision
from acmix.errors import UserError
from acmix.export import fuse
from acmix.layers.full_precision import FullPrecision
from acmix.models.detection.box_head import BoxHead
from acmix.models.detection.coder import BoxCoder

HEADS = {
    "fc": {},
    "conv": {"num_convs": 4, "num_fcs": 1, "box_loss": "giou", "box_loss_weight": 10.0},
}
CODER = BoxCoder((0.1, 0.1, 0.2, 0.2))


def golden_head(kind):
    golden = load("box_heads")
    state = {k.removeprefix(f"{kind}."): v for k, v in golden.state.items() if k.startswith(kind)}
    head = BoxHead(4, 7, 5, conv_channels=4, fc_channels=12, **HEADS[kind])
    return load_head(head, state), golden


def sample(golden):
    """Return proposals, their ground truth, labels and the mask of valid ones, of two images."""
    return (
        golden.in_rois[:, 1:].reshape(2, 7, 4),
        golden.in_gt.reshape(2, 7, 4),
        golden.in_labels.astype(np.int32).reshape(2, 7),
        (golden.in_label_weights > 0).reshape(2, 7),
    )


def gradients_of(head, mode):
    """Return a function of ``head.losses``'s arguments: the losses' gradients by the outputs."""

    def total(logits, deltas, *rest):
        return ops.stack(head.losses(logits, deltas, *rest)).sum()

    gradient = ms.grad(total, (0, 1))
    return ms.jit(gradient) if mode == "graph" else gradient


@pytest.mark.parametrize("kind", HEADS)
def test_heads_and_losses_of_mmdetection(mode, kind):
    head, golden = golden_head(kind)
    logits, deltas = head(Tensor(golden.in_x.reshape(2, 7, 4, 7, 7)))
    expected = vars(golden)
    np.testing.assert_allclose(
        logits.asnumpy().reshape(14, 6), expected[f"out_{kind}_cls"], atol=1e-5
    )
    # The file has half of the deltas.
    deltas = 0.5 * deltas
    np.testing.assert_allclose(
        deltas.asnumpy().reshape(14, 20), expected[f"out_{kind}_reg"], atol=1e-5
    )
    *places, valid = map(Tensor, sample(golden))
    loss_cls, _ = head.losses(logits, deltas, *places, valid)
    # A weight of 0 leaves a place out of the class loss and in the box loss there; here the place
    # is empty.
    _, loss_box = head.losses(logits, deltas, *places, ops.ones_like(valid))
    np.testing.assert_allclose(loss_cls.asnumpy(), expected[f"out_{kind}_loss_cls"], rtol=1e-5)
    np.testing.assert_allclose(loss_box.asnumpy(), expected[f"out_{kind}_loss_box"], rtol=1e-5)


def test_fused_head_gives_the_same(mode):
    head, golden = golden_head("conv")
    fused = fuse(head)
    assert not any("bn" in name for name, _ in fused.parameters_and_names())
    logits, _ = fused(Tensor(golden.in_x[None]))
    np.testing.assert_allclose(logits.asnumpy()[0], golden.out_conv_cls, atol=1e-5)


def encode(boxes, proposals):
    return CODER.encode(Tensor(boxes), Tensor(proposals)).asnumpy()


def one_of_each(rng):
    """Return outputs of 2 classes and a sample: class 0, class 1, background, empty."""
    logits = rng.standard_normal((1, 4, 3)).astype(np.float32)
    deltas = rng.standard_normal((1, 4, 8)).astype(np.float32)
    proposals = np.array(
        [[[2, 3, 30, 44], [8, 8, 9, 9], [0, 0, 20, 20], [2, 3, 30, 44]]], np.float32
    )
    boxes = np.array([[[4, 1, 33, 40], [8, 8, 9, 9], [0, 0, 0, 0], [4, 1, 33, 40]]], np.float32)
    labels = np.array([[0, 1, 2, 0]], np.int32)
    return logits, deltas, proposals, boxes, labels, np.array([[True, True, True, False]])


def test_only_valid_places_count(mode, rng):
    arguments = one_of_each(rng)
    logits, deltas, proposals, boxes, labels, _ = arguments
    head = BoxHead(4, 1, 2, fc_channels=4)
    loss_cls, loss_box = head.losses(*map(Tensor, arguments))
    odds = np.exp(logits[0, :3])
    probability = odds / odds.sum(1, keepdims=True)
    right = np.eye(3)[labels[0, :3]]
    np.testing.assert_allclose(
        loss_cls.asnumpy(), -np.log((probability * right).sum(1)).mean(), rtol=1e-5
    )
    chosen = np.stack([deltas[0, 0, :4], deltas[0, 1, 4:]])
    error = chosen - encode(boxes, proposals)[0, :2]
    np.testing.assert_allclose(loss_box.asnumpy(), np.abs(error).sum() / 3, rtol=1e-5)
    by_logits, by_deltas = gradients_of(head, mode)(*map(Tensor, arguments))
    expected = np.zeros((4, 3))
    expected[:3] = (probability - right) / 3
    np.testing.assert_allclose(by_logits.asnumpy()[0], expected, atol=1e-6)
    expected = np.zeros((4, 8))
    expected[0, :4], expected[1, 4:] = np.sign(error) / 3
    np.testing.assert_allclose(by_deltas.asnumpy()[0], expected, atol=1e-6)


@pytest.mark.parametrize("kind", HEADS)
@pytest.mark.parametrize("place", ["background", "empty"])
def test_without_positives_the_box_loss_is_0_and_has_no_gradient(mostly_pynative, rng, kind, place):
    logits, deltas, proposals, boxes, labels, valid = one_of_each(rng)
    labels[:], valid[:] = (2, True) if place == "background" else (-1, False)
    deltas[0, 0] = 1e30  # even if a delta is about to overflow
    head = BoxHead(4, 1, 2, fc_channels=4, **HEADS[kind])
    arguments = [Tensor(a) for a in (logits, deltas, proposals, boxes, labels, valid)]
    loss_cls, loss_box = (loss.asnumpy() for loss in head.losses(*arguments))
    assert loss_box == 0
    assert (loss_cls == 0) == (place == "empty")
    by_logits, by_deltas = (
        slope.asnumpy() for slope in gradients_of(head, mostly_pynative)(*arguments)
    )
    assert not by_deltas.any()
    assert np.isfinite(by_logits).all()
    assert by_logits.any() == (place == "background")


def test_one_delta_for_all_classes(rng):
    logits, deltas, proposals, boxes, labels, valid = one_of_each(rng)
    head = BoxHead(4, 1, 2, fc_channels=4, class_wise=False)
    assert head.fc_reg.weight.shape == (4, 4)
    arguments = [Tensor(a) for a in (logits, deltas[..., :4], proposals, boxes, labels, valid)]
    _, loss_box = head.losses(*arguments)
    error = np.abs(deltas[0, :2, :4] - encode(boxes, proposals)[0, :2])
    np.testing.assert_allclose(loss_box.asnumpy(), error.sum() / 3, rtol=1e-5)


def test_boxes_of_a_class(mode, rng):
    logits, deltas, proposals, _, _, _ = one_of_each(rng)
    head = BoxHead(4, 1, 2, fc_channels=4)
    best = head.best_class(Tensor(logits))
    np.testing.assert_array_equal(best.asnumpy(), logits[..., :2].argmax(-1))
    labels = np.array([[1, 0, 1, 0]], np.int32)
    boxes = head.decode(Tensor(deltas), Tensor(proposals), Tensor(labels)).asnumpy()
    for place, label in enumerate(labels[0]):
        one = CODER.decode(
            Tensor(deltas[0, place, 4 * label :][:4]), Tensor(proposals[0, place])
        ).asnumpy()
        np.testing.assert_allclose(boxes[0, place], one, rtol=1e-6)


class Losses(FullPrecision):
    """A head, and its losses as outputs."""

    def __init__(self, head):
        super().__init__()
        self.head = head

    def construct(self, features, *places):
        return (*self.head(features), *self.head.losses(*self.head(features), *places))


@pytest.mark.parametrize("kind", HEADS)
def test_half_precision_costs_no_digits_of_boxes(rng, kind):
    _, _, proposals, boxes, labels, valid = one_of_each(rng)
    places = (proposals + np.float32(3000.1), boxes + np.float32(3000.3), labels, valid)
    arguments = (rng.standard_normal((1, 4, 4, 7, 7)).astype(np.float32), *places)
    network = Losses(BoxHead(4, 7, 2, fc_channels=8, conv_channels=4, **HEADS[kind]))
    network.set_train(False)
    full = network(*map(Tensor, arguments))
    half = apply_mixed_precision(network, "O2")(*map(Tensor, arguments))
    for exact, rounded in zip(full, half, strict=True):
        assert rounded.dtype == ms.float32
        np.testing.assert_allclose(rounded.asnumpy(), exact.asnumpy(), rtol=5e-3, atol=5e-3)
    assert any((a != b).asnumpy().any() for a, b in zip(full, half, strict=True))


def test_parameters_of_mask_rcnn():
    assert sum(p.size for p in BoxHead(256, 7, 80).trainable_params()) == 14_306_705


def test_initial_values():
    head = BoxHead(16, 7, 80, num_convs=1, conv_channels=64, fc_channels=128)
    spread = {name: p.asnumpy().std() for name, p in head.parameters_and_names()}
    assert not any(p.asnumpy().any() for n, p in head.parameters_and_names() if "bias" in n)
    np.testing.assert_allclose(spread["fc_cls.weight"], 0.01, rtol=0.05)
    np.testing.assert_allclose(spread["fc_reg.weight"], 0.001, rtol=0.05)
    np.testing.assert_allclose(
        spread["shared_fcs.0.weight"], (2 / (64 * 49 + 128)) ** 0.5, rtol=0.05
    )
    np.testing.assert_allclose(
        spread["shared_convs.0.conv.weight"], (2 / (9 * 64)) ** 0.5, rtol=0.05
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_convs": -1}, "num_convs must not be negative, got -1"),
        ({"num_fcs": 0}, "num_fcs must be at least 1, got 0"),
        ({"box_loss": "gious"}, "box_loss='gious' is unknown. Did you mean 'giou'"),
        ({"smooth_l1_beta": -1}, "smooth_l1_beta must not be negative, got -1"),
        ({"box_loss_weight": -1}, "box_loss_weight must not be negative, got -1"),
    ],
)
def test_impossible_heads_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        BoxHead(4, 7, 2, **arguments)


@pytest.mark.parametrize("stage", [0, 1])
def test_cascade_refines_by_the_likeliest_class(stage):
    golden = load("cascade_stages")
    arrays = {name: vars(golden)[f"out_stage{stage}_{name}"] for name in ("boxes", "cls", "reg")}
    logits, deltas, boxes = (
        Tensor(arrays[name].reshape(2, 40, -1)) for name in ("cls", "reg", "boxes")
    )
    head = BoxHead(4, 1, 3, fc_channels=4, coder=BoxCoder(tuple(golden.meta["stds"][stage])))
    refined = head.decode(deltas, boxes[..., 1:], head.best_class(logits)).asnumpy()
    expected = vars(golden)[f"out_stage{stage + 1}_boxes"][:, 1:].reshape(2, 40, 4)
    for image, (height, width) in enumerate(golden.meta["images"]):
        cut = refined[image].clip(0, [width, height, width, height])
        np.testing.assert_allclose(cut, expected[image], atol=1e-3)

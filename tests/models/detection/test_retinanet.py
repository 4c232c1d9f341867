"""RetinaNet: its size, its outputs' order, its losses, and that every backbone carries it."""

import mindspore as ms
import numpy as np
import oracles_detection as oracles
import pytest
from mindspore import Tensor, nn
from models import shrunk
from models.detection.small_detector import NUM_CLASSES, Detect, Losses, batch, small_detector
from variants import exhaustive

from acmix.config import OptimConfig
from acmix.engine.optim import create_optimizer
from acmix.engine.precision import apply_mixed_precision
from acmix.engine.train_step import TrainStep
from acmix.models.detection import AnchorGenerator, HostPostProcess, PostProcess, create_detector
from acmix.models.detection.retinanet import RetinaHead
from acmix.models.fpn import level_sizes
from acmix.tools.analysis.macs import trace
from acmix.utils.parameters import get_value, set_value

FAMILIES = shrunk.representatives()


def gradient_of(network):
    """Return a function of a batch for total loss and gradients, and the parameters of these."""

    def total(images, boxes, labels, sizes):
        return network(images, boxes, labels, sizes)[0]

    parameters = network.trainable_params()
    return ms.value_and_grad(total, None, parameters), parameters


def size_of(parameters):
    return sum(parameter.size for parameter in parameters)


# --- size -----------------------------------------------------------------------------------------


def test_resnet50_has_the_parameters_of_mmdetection():
    """mmdetection prints 37.74 M for 80 classes: it leaves out the frozen stem and first stage."""
    detector = create_detector("retinanet_resnet50", frozen_stages=1)
    assert size_of(detector.trainable_params()) == 37_743_348
    square = 256 * 256 * 9 + 256
    backbone = 25_557_032 - (2048 * 1000 + 1000)
    neck = (512 + 1024 + 2048 + 3) * 256 + 4 * square + (2048 * 256 * 9 + 256)
    head = 8 * square + (256 * 9 + 1) * 9 * 80 + (256 * 9 + 1) * 9 * 4
    total = trace(detector, (1, 3, 32, 32)).params
    assert total == backbone + neck + head == 37_968_692
    stem_and_first = (7 * 7 * 3 * 64 + 128) + 215_808
    assert total - stem_and_first == 37_743_348


def test_pvt_tiny_has_the_parameters_of_the_paper():
    """PVT's Tab. 3: 23.0 M. What the classifier alone uses is not there: token, norm, head."""
    detector = create_detector("retinanet_pvt_tiny")
    backbone = 13_229_288 - (512 * 1000 + 1000) - 512 - 2 * 512
    square = 256 * 256 * 9 + 256
    neck = (128 + 320 + 512 + 3) * 256 + 4 * square + (512 * 256 * 9 + 256)
    head = 8 * square + (256 * 9 + 1) * 9 * 84
    assert size_of(detector.trainable_params()) == backbone + neck + head == 22_964_724


def neck_and_head_macs(channels, sizes):
    """Multiply-adds of FPN and head with 256 channels, 80 classes and 9 anchors."""
    areas = [height * width for height, width in sizes]
    square = 256 * 256 * 9
    neck = sum(256 * (count + 256 * 9) * area for count, area in zip(channels, areas, strict=False))
    neck += 256 * 9 * (channels[-1] * areas[3] + 256 * areas[4])
    return neck + sum((8 * square + 256 * 9 * 9 * 84) * area for area in areas)


def pvt_tiny_macs(height, width):
    """Multiply-adds of PVT-Tiny's four stages, PVT's Sec. 3 written out."""
    total, before = 0, 3
    for dim, ratio, reduction, patch in (
        (64, 8, 8, 4), (128, 8, 4, 2), (320, 4, 2, 2), (512, 4, 1, 2),
    ):  # fmt: skip
        height, width = height // patch, width // patch
        area, keys = height * width, (height // reduction) * (width // reduction)
        embed = patch**2 * before * dim * area
        reduce = (reduction * dim) ** 2 * keys if reduction > 1 else 0
        block = 2 * dim**2 * area + reduce + 2 * dim**2 * keys + 2 * area * keys * dim
        total += embed + 2 * (block + 2 * ratio * dim**2 * area)
        before = dim
    return total


def test_multiply_adds_are_those_of_the_paper():
    """The formulas agree with what is traced on a small image, and with Tab. 4's 230 G on 800x1333.

    mmdetection's PVT rounds the sizes of maps down; 128 x 192 has nothing to round.
    """
    channels = (128, 320, 512)

    def formula(height, width):
        sizes = [(height // stride, width // stride) for stride in (8, 16, 32)]
        sizes += [(-(-sizes[-1][0] // 2**i), -(-sizes[-1][1] // 2**i)) for i in (1, 2)]
        return pvt_tiny_macs(height, width) + neck_and_head_macs(channels, sizes)

    counted = trace(create_detector("retinanet_pvt_tiny"), (1, 3, 128, 192))
    assert counted.uncounted == ()
    assert counted.macs == formula(128, 192)
    assert formula(800, 1333) / 1e9 == pytest.approx(230.03, abs=0.01)


# --- outputs --------------------------------------------------------------------------------------


def test_outputs_are_ordered_by_level_row_column_anchor(rng):
    """A head that repeats the map and adds its channel's number says where each output is from."""
    head = RetinaHead(1, num_anchors=3, num_classes=2, num_convs=1, prior=0.5)
    for conv in (head.cls_convs[0], head.reg_convs[0], head.retina_cls, head.retina_reg):
        weight = np.zeros(conv.weight.shape, np.float32)
        weight[:, :, 1, 1] = 1
        set_value(conv.weight, weight)
        set_value(conv.bias, np.arange(len(weight)) * (100 if len(weight) > 1 else 0))
    maps = [rng.random((2, 1, *size)).astype(np.float32) for size in ((3, 4), (2, 2))]
    outputs = head(tuple(map(Tensor, maps)))
    places = np.concatenate([x.reshape(2, -1) for x in maps], 1)
    for output, size in zip(outputs, (2, 4), strict=True):
        channel = 100 * np.arange(3 * size, dtype=np.float32).reshape(3, size)
        expected = (places[:, :, None, None] + channel).reshape(2, -1, size)
        np.testing.assert_allclose(output.asnumpy(), expected, rtol=1e-6)


def test_every_anchor_begins_with_the_prior_and_small_weights(rng):
    detector = create_detector("retinanet_resnet26", backbone=shrunk.arguments("resnet26"))
    for name, parameter in detector.head.parameters_and_names():
        value = parameter.asnumpy()
        if name.endswith("weight"):
            assert value.std() == pytest.approx(0.01, rel=0.05)
        else:
            start = -np.log(99) if "cls.bias" in name else 0
            np.testing.assert_allclose(value, start, rtol=1e-6)
    detector.set_train(False)
    logits, deltas = detector(Tensor(np.zeros((1, 3, 64, 64), np.float32)))
    assert logits.shape == (1, 9 * (64 + 16 + 4 + 1 + 1), 80)
    assert deltas.shape == (1, 9 * (64 + 16 + 4 + 1 + 1), 4)
    assert (1 / (1 + np.exp(-logits.asnumpy()))).mean() == pytest.approx(0.01, rel=0.02)


# --- losses ---------------------------------------------------------------------------------------


def expected_losses(detector, images, boxes, labels, beta=1 / 9):
    """Focal and box loss of a batch in float64, anchor by anchor."""
    logits, deltas = (output.asnumpy().astype(np.float64) for output in detector(images))
    height, width = images.shape[2:]
    sizes = level_sizes(detector.strides, height, width)
    anchors = AnchorGenerator(detector.strides)(sizes).astype(np.float64)
    focal, distance, positives = 0.0, 0.0, 0
    for image, (own_boxes, own_labels) in enumerate(zip(boxes, labels, strict=True)):
        real = own_labels >= 0
        overlaps = oracles.iou(anchors, own_boxes[real].astype(np.float64))
        matched = np.array(oracles.match(overlaps, 0.5, 0.4, True))
        targets = np.zeros_like(logits[image])
        for anchor in np.flatnonzero(matched >= 0):
            box, label = own_boxes[real][matched[anchor]], own_labels[real][matched[anchor]]
            targets[anchor, label] = 1
            offset = np.abs(deltas[image, anchor] - oracles.encode(box, anchors[anchor]))
            bent = np.where(offset < beta, offset**2 / (2 * beta), offset - beta / 2)
            distance += bent.sum()
            positives += 1
        p = 1 / (1 + np.exp(-logits[image]))
        loss = np.where(
            targets == 1, -0.25 * (1 - p) ** 2 * np.log(p), -0.75 * p**2 * np.log(1 - p)
        )
        focal += loss[matched != -2].sum()
    return focal / max(positives, 1), distance / max(positives, 1), positives


def evaluated(detector, *data):
    detector.set_train(False)  # BatchNorm's statistics stay put between the two calls
    return [float(loss.asnumpy()) for loss in Losses(detector)(*data)]


def test_losses_are_those_of_the_definition(mode, rng):
    detector = small_detector(prior=0.2, box_loss_weight=0.5)
    images, boxes, labels, sizes = batch(rng)
    total, loss_cls, loss_box = evaluated(detector, images, boxes, labels, sizes)
    focal, distance, positives = expected_losses(
        detector, images, boxes.asnumpy(), labels.asnumpy()
    )
    assert positives > 3
    assert detector.loss_names == ("loss", "loss_cls", "loss_box")
    assert loss_cls == pytest.approx(focal, rel=1e-4)
    assert loss_box == pytest.approx(distance, rel=1e-4)
    assert total == pytest.approx(focal + 0.5 * distance, rel=1e-4)


def test_images_without_boxes_are_all_background(rng):
    ms.set_context(mode=ms.PYNATIVE_MODE)
    detector = small_detector(prior=0.2)
    images, boxes, labels, sizes = batch(rng)
    nothing = Tensor(np.full(labels.shape, -1, np.int32))
    total, loss_cls, loss_box = evaluated(detector, images, boxes * 0, nothing, sizes)
    focal, _, positives = expected_losses(detector, images, boxes.asnumpy() * 0, nothing.asnumpy())
    assert positives == 0
    assert total == loss_cls == pytest.approx(focal, rel=1e-4)
    assert loss_box == 0


def test_boxes_of_one_pixel_and_over_the_border_give_finite_losses(rng):
    ms.set_context(mode=ms.PYNATIVE_MODE)
    images, _, _, sizes = batch(rng)
    odd = np.array([[[5, 5, 6, 6], [-20, 60, 40, 120], [129, 95, 130, 96]]] * 2, np.float32)
    labels = np.array([[0, 1, 3]] * 2, np.int32)
    losses = evaluated(small_detector(), images, Tensor(odd), Tensor(labels), sizes)
    assert np.isfinite(losses).all()
    assert losses[2] > 0


@pytest.mark.exhaustive
def test_overfitting_one_image_finds_its_objects(rng):
    """A whole training in graph mode: losses, gradients, optimizer; then the detections."""
    detector = small_detector(channels=24, num_levels=3)
    images, boxes, labels, sizes = (tensor.asnumpy()[:1] for tensor in batch(rng, 48, 96, 2))
    boxes[0], labels[0] = [(8, 4, 40, 36), (48, 8, 88, 48)], [2, 0]
    for (x1, y1, x2, y2), channel in zip(boxes[0].astype(int), (0, 1), strict=True):
        images[0, channel, y1:y2, x1:x2] += 4
    network = Losses(detector).set_train(True)
    optimizer = create_optimizer(network, OptimConfig(name="adamw", lr=4e-3))
    step = TrainStep(network, optimizer, clip_norm=5.0)
    history = [
        float(step([(images, boxes, labels, sizes)], 4e-3).losses[0].asnumpy()) for _ in range(48)
    ]
    assert history[-1] < 0.15 * history[0]
    detector.set_train(False)
    found, scores, classes = (output.asnumpy()[0] for output in Detect(detector)(Tensor(images)))
    for box, label in zip(boxes[0], labels[0], strict=True):
        best = np.flatnonzero(classes == label)[0]
        assert scores[best] > 0.5
        assert oracles.iou(found[best][None], box[None])[0, 0] > 0.7


# --- every backbone -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", exhaustive(FAMILIES, ["acmix_resnet26", "acmix_pvt_large"]))
def test_every_backbone_trains_and_detects_at_an_odd_size(name, rng):
    ms.set_context(mode=ms.PYNATIVE_MODE)
    settings = PostProcess(score_threshold=0.0, top_k=50, max_candidates=80, max_detections=20)
    detector = small_detector(name, post_process=settings)
    shrunk.show_all(detector)
    images, boxes, labels, sizes = batch(rng)
    step, parameters = gradient_of(Losses(detector).set_train(True))
    loss, gradients = step(images, boxes, labels, sizes)
    assert np.isfinite(loss.asnumpy())
    for parameter, gradient in zip(parameters, gradients, strict=True):
        value = gradient.asnumpy()
        assert np.isfinite(value).all(), parameter.name
        assert np.abs(value).max() > 0, parameter.name
    detector.set_train(False)
    found, scores, classes = (output.asnumpy() for output in detector.detect(images))
    assert found.shape == (2, 20, 4)
    assert (np.diff(scores) <= 0).all()
    assert classes.min() >= 0
    assert classes.max() < NUM_CLASSES
    assert found.min() >= 0
    assert (found <= [130, 96, 130, 96]).all()


def test_every_parameter_gets_the_same_gradient_in_both_modes(rng):
    detector = small_detector()
    data = batch(rng)
    step, parameters = gradient_of(Losses(detector).set_train(True))
    _, compiled = ms.jit(step)(*data)
    ms.set_context(mode=ms.PYNATIVE_MODE)
    _, eager = step(*data)
    for parameter, one, other in zip(parameters, compiled, eager, strict=True):
        one, other = one.asnumpy(), other.asnumpy()
        assert np.abs(one - other).max() <= 2e-3 * np.abs(other).max() + 1e-6, parameter.name


def test_graph_and_host_detect_alike(rng):
    """From the very network: what `detect` puts out follows from what `decoded` does."""
    detector = small_detector(post_process=PostProcess(score_threshold=0.0))
    detector.set_train(False)
    set_value(detector.head.retina_cls.weight, get_value(detector.head.retina_cls.weight) * 100)
    images, *_ = batch(rng)
    boxes, scores, labels = (output.asnumpy() for output in Detect(detector)(images))
    host = HostPostProcess.of(detector)
    for image, outputs in enumerate(zip(*detector.decoded(images), strict=True)):
        found = host(*(output.asnumpy() for output in outputs), 96, 130)
        np.testing.assert_allclose(boxes[image], found.boxes, atol=1e-3)
        np.testing.assert_allclose(scores[image], found.scores, rtol=1e-4)
        np.testing.assert_array_equal(labels[image], found.labels)


# --- mixed precision ------------------------------------------------------------------------------


class InHalfPrecision(nn.Cell):
    """Insist on the type in which the head is called."""

    def __init__(self, head):
        super().__init__(auto_prefix=False)
        self.head = head

    def construct(self, maps):
        assert maps[0].dtype == ms.float16
        return self.head(maps)


def test_losses_in_half_precision_are_those_of_full_precision_but_for_rounding(mode, rng):
    """Boxes keep their digits: in float16 both sides of this one would be at pixel 1000."""
    detector = small_detector()
    images, boxes, labels, sizes = batch(rng, 64, 1100, num_boxes=1)
    boxes[0, 0] = Tensor(np.float32([1000.2, 10, 1000.24, 50]))
    full = evaluated(detector, images, boxes, labels, sizes)
    network = Losses(detector).to_float(ms.float16)
    detector.head = InHalfPrecision(detector.head)
    half = [float(loss.asnumpy()) for loss in network(images, boxes, labels, sizes)]
    np.testing.assert_allclose(half, full, rtol=5e-3)


@pytest.mark.exhaustive
def test_a_training_step_in_half_precision_is_finite(rng):
    network = apply_mixed_precision(Losses(small_detector()), "O2").set_train(True)
    step, parameters = gradient_of(network)
    loss, gradients = ms.jit(step)(*batch(rng))
    assert np.isfinite(loss.asnumpy())
    for parameter, gradient in zip(parameters, gradients, strict=True):
        assert np.isfinite(gradient.asnumpy()).all(), parameter.name

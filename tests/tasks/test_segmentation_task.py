"""The task of segmentation: losses, evaluation and its report, against NumPy."""

from __future__ import annotations

import json
from dataclasses import replace

import mindspore as ms
import numpy as np
import oracles
import pytest
from mindspore import Tensor
from PIL import Image
from tasks.small_segmentation import CLASSES, PALETTE, SIZES, VALUES, make_run, small_config

from acmix import workflows
from acmix.cli import main
from acmix.data import create_dataset
from acmix.errors import UserError
from acmix.tasks import get_task
from acmix.tasks.segmentation.objective import (
    EagerLogits,
    SegmentationLogits,
    SlidingLogits,
    logits_network,
)
from acmix.workflows.runs import build_model

TASK = get_task("segmentation")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("segmentation"))


@pytest.fixture(scope="module")
def perceiving(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("upernet"), head="upernet")


@pytest.fixture(scope="module")
def evaluated(run):
    return workflows.evaluate(run.config, run.checkpoint)


def interpolated(maps, height, width):
    """Stretch (B, K, h, w) with pixel centres aligned, in float64."""
    for axis, length in ((2, height), (3, width)):
        positions = (np.arange(length) + 0.5) * maps.shape[axis] / length - 0.5
        maps = oracles.interpolate(maps.astype(np.float64), axis, positions)
    return maps


def cross_entropy(logits, labels):
    """Return the mean over all pixels, of which those with label 255 add nothing."""
    x = interpolated(logits, *labels.shape[1:])
    x -= np.log(np.exp(x).sum(1, keepdims=True))
    known = np.where(labels == 255, 0, labels)[:, None]
    picked = np.take_along_axis(x, known, 1)[:, 0]
    return -picked[labels != 255].sum() / labels.size


def test_losses_are_means_over_all_pixels(perceiving, rng):
    ms.set_context(mode=ms.PYNATIVE_MODE)
    model = perceiving.model
    objective = TASK.objective(perceiving.config, model)
    images = rng.normal(size=(2, 3, 24, 40)).astype(np.float32)
    labels = rng.integers(4, size=(2, 24, 40)).astype(np.int32)
    labels[0, :20] = 255
    losses = objective.train_network(Tensor(images), Tensor(labels))
    decode = cross_entropy(model(Tensor(images)).asnumpy(), labels)
    logits = model.auxiliary_head(model.backbone(Tensor(images))[-2]).asnumpy()
    auxiliary = 0.4 * cross_entropy(logits, labels)
    assert objective.loss_names == ("loss", "loss_decode", "loss_aux")
    np.testing.assert_allclose(
        [loss.asnumpy() for loss in losses], [decode + auxiliary, decode, auxiliary], rtol=1e-5
    )


def test_a_network_of_many_shapes_gives_what_the_compiled_one_gives(run, rng):
    padded = small_config(run.data, "data.pad_divisor=32")
    networks = [logits_network(config, run.model) for config in (run.config, padded)]
    assert [type(network) for network in networks] == [EagerLogits, SegmentationLogits]
    images = Tensor(rng.normal(size=(1, 3, 32, 64)).astype(np.float32))
    eager, compiled = (network(images).asnumpy() for network in networks)
    np.testing.assert_allclose(eager, compiled, atol=1e-5)
    assert ms.get_context("mode") == ms.GRAPH_MODE


def test_windows_are_averaged_over_what_they_see(run, rng):
    """Along both axes the last window is moved inwards; a pixel's logits are means over windows."""
    ms.set_context(mode=ms.PYNATIVE_MODE)
    config = small_config(run.data, "segmenter.window=24", "segmenter.window_stride=16")
    network = logits_network(config, run.model)
    assert type(network) is SlidingLogits
    images = rng.normal(size=(1, 3, 24, 45)).astype(np.float32)
    total, seen = np.zeros((1, 4, 24, 45)), np.zeros((24, 45))
    for left in (0, 16, 21):
        part = np.ascontiguousarray(images[..., left : left + 24])
        total[..., left : left + 24] += interpolated(run.model(Tensor(part)).asnumpy(), 24, 24)
        seen[:, left : left + 24] += 1
    np.testing.assert_allclose(network(Tensor(images)).asnumpy(), total / seen, atol=1e-5)


def truth_of(run, number):
    """Return the labels of an image, read with nothing of acmix."""
    values = np.asarray(Image.open(run.data / "labels" / "val" / f"{number}.png"))
    labels = np.full(values.shape, 255)
    for label, value in enumerate(VALUES):
        labels[values == value] = label
    return labels


def confusion_of(pairs):
    counts = np.zeros((len(CLASSES), len(CLASSES)), int)
    for truth, predicted in pairs:
        for true, found in zip(truth.ravel(), predicted.ravel(), strict=True):
            if true != 255:
                counts[true, found] += 1
    return counts


def test_evaluation_counts_the_labels_that_predict_writes(run, evaluated, tmp_path):
    metric, classes = evaluated
    assert classes == CLASSES
    pairs = []
    for number, prediction in enumerate(workflows.predict(run.checkpoint, run.images)):
        prediction.draw(tmp_path / f"{number}.png")
        written = np.asarray(Image.open(tmp_path / "labels" / f"{number}.png"))
        assert written.shape == SIZES[number]
        pairs.append((truth_of(run, number), written))
    counts = confusion_of(pairs)
    np.testing.assert_array_equal(metric.confusion, counts)
    assert (counts[:3] > 0).all()
    hits = np.diag(counts)
    union = counts.sum(0) + counts.sum(1) - hits
    numbers = metric.compute()
    assert numbers["mIoU"] == pytest.approx((hits / union)[union > 0].mean())
    assert numbers["aAcc"] == pytest.approx(hits.sum() / counts.sum())


def test_padding_to_few_shapes_evaluates_every_pixel_once(run):
    config = small_config(run.data, "data.pad_divisor=64")
    metric, _ = workflows.evaluate(config, run.checkpoint)
    labelled = sum(np.count_nonzero(truth_of(run, number) != 255) for number in range(3))
    assert metric.confusion.sum() == labelled


def test_the_report_tells_classes_that_the_data_does_not_have(run, evaluated, capsys, tmp_path):
    metric, classes = evaluated
    report = TASK.report(metric, classes)
    assert report.keys() == {"mIoU", "mAcc", "aAcc", "per_class", "per_class_accuracy"}
    assert tuple(report["per_class"]) == tuple(report["per_class_accuracy"]) == CLASSES
    config = tmp_path / "run.yaml"
    config.write_text(run.config.to_yaml(), encoding="utf-8")
    files = tmp_path / "metrics.json", tmp_path / "confusion.png"
    arguments = ["--checkpoint", str(run.checkpoint), "--per-class", "--json", str(files[0])]
    assert main(["eval", str(config), *arguments, "--confusion", str(files[1])]) == 0
    printed = capsys.readouterr().out
    assert f"mIoU {report['mIoU']:.4f}  mAcc {report['mAcc']:.4f}" in printed
    assert f"  蚂蚁: {report['per_class']['蚂蚁']:.4f}" in printed
    accuracy = json.loads(files[0].read_text())["per_class_accuracy"]
    assert accuracy["never"] is None  # JSON has no NaN
    assert accuracy["road"] == report["per_class_accuracy"]["road"]
    assert Image.open(files[1]).size[0] > 100


def test_a_class_without_pixels_is_told(run, monkeypatch, capsys, tmp_path, evaluated):
    metric, classes = evaluated
    counts = metric.confusion.copy()
    counts[:, 3] = 0
    monkeypatch.setattr(metric, "confusion", counts)
    monkeypatch.setattr(workflows, "evaluate", lambda *_: (metric, classes))
    config = tmp_path / "run.yaml"
    config.write_text(run.config.to_yaml(), encoding="utf-8")
    assert main(["eval", str(config), "--checkpoint", "x.ckpt", "--per-class"]) == 0
    assert "  never: not in the data" in capsys.readouterr().out


def test_classes_in_another_order_are_matched_by_name(run, evaluated, tmp_path):
    names = ["蚂蚁: 7", "never: 9", "sky: 0", "road: 3"]
    listed = ", ".join(f"{line.split(': ')[1]}: {line.split(': ')[0]}" for line in names)
    file = tmp_path / "classes.yaml"
    file.write_text(f"classes: {{{listed}}}", encoding="utf-8")
    config = small_config(run.data, f"data.class_file={file}")
    assert create_dataset(config.data, "val", seed=0).classes[0] == "蚂蚁"
    metric, classes = workflows.evaluate(config, run.checkpoint)
    assert classes == CLASSES
    np.testing.assert_array_equal(metric.confusion, evaluated[0].confusion)


def test_a_head_with_more_outputs_than_classes_is_evaluated_and_reported(run):
    wide = replace(run.config, model=replace(run.config.model, num_classes=6))
    model = build_model(wide, len(CLASSES))
    data = create_dataset(wide.data, "val", seed=0)
    metric = TASK.objective(wide, model, data).metric()
    metric.add(np.array([[5, 1]]), np.array([[1, 1]]))
    report = TASK.report(metric, CLASSES)
    assert tuple(report["per_class"]) == CLASSES
    assert report["aAcc"] == 0.5


def test_without_a_validation_split_there_is_no_metric(run):
    with pytest.raises(UserError, match="a segmenter is evaluated against a validation split"):
        TASK.benchmark_objective(run.model).metric()


def test_shapes_of_targets_and_images(run, rng):
    assert TASK.image_shape(run.config) == (3, 32, 32)
    (spec,) = TASK.target_specs(run.config, (2, 3, 8, 6), 4)
    assert (spec.shape, spec.dtype) == ((2, 8, 6), ms.int32)
    (labels,) = TASK.random_targets(run.model, (2, 3, 8, 6), rng)
    assert (labels.shape, labels.dtype, labels.min(), labels.max()) == ((2, 8, 6), np.int32, 0, 3)


@pytest.mark.parametrize("head", ["semantic_fpn", "upernet"])
def test_classes_are_counted_in_the_weights(run, perceiving, head):
    made = {"semantic_fpn": run, "upernet": perceiving}[head]
    shapes = {p.name: tuple(p.shape) for p in build_model(made.config, 7).get_parameters()}
    assert TASK.count_classes(made.config, shapes) == 7
    body = {name: shape for name, shape in shapes.items() if name.startswith("backbone.")}
    assert TASK.count_classes(made.config, body) is None


def test_the_palette_of_the_data_is_noted_in_checkpoints(run):
    (prediction,) = workflows.predict(run.checkpoint, run.images[:1])
    np.testing.assert_array_equal(prediction.palette, PALETTE)

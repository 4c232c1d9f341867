"""Exported segmenters: labels or logits, verified, and predictions that are the checkpoint's."""

from __future__ import annotations

import json
from dataclasses import replace

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn, ops
from PIL import Image
from tasks.small_segmentation import CLASSES, PALETTE, make_run

from acmix import workflows
from acmix.cli import main
from acmix.errors import UserError
from acmix.export import load_exported, read_sidecar, sidecar_path
from acmix.export.verify import max_difference
from acmix.tasks import get_task
from acmix.tools.audit.audit import audit_file
from acmix.utils.modes import execution_mode


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("segmentation"))


@pytest.fixture(scope="module")
def labelling(run, tmp_path_factory):
    """A file of labels for any batch, written by the command."""
    folder = tmp_path_factory.mktemp("export")
    (folder / "run.yaml").write_text(run.config.to_yaml(), encoding="utf-8")
    path = folder / "net.mindir"
    call = ["export", str(folder / "run.yaml"), "--checkpoint", str(run.checkpoint)]
    call += ["--format", "mindir", "--output", str(path), "--input-size", "32x64"]
    assert main([*call, "--dynamic-batch"]) == 0
    return path


def logits_file(run, path, **options):
    """Export logits, which the reader resizes to the image's own size."""
    return workflows.export(run.config, run.checkpoint, path, raw=True, input_size=(64, 64),
                            **options)  # fmt: skip


def predictions(file, run):
    return [prediction.labels for prediction in workflows.predict(file, run.images)]


def nearest(labels, size):
    """Return the label at each pixel's centre."""
    index = [
        ((np.arange(n) + 0.5) * length / n).astype(int)
        for n, length in zip(size, labels.shape, strict=True)
    ]
    return labels[np.ix_(*index)]


def test_the_side_car_holds_classes_colours_and_kind_of_output(labelling):
    sidecar = read_sidecar(labelling)
    assert (sidecar.task, sidecar.model) == ("segmentation", "semantic_fpn_resnet26")
    assert sidecar.classes == CLASSES
    assert sidecar.post_process == {"output": "labels", "palette": [list(c) for c in PALETTE]}
    assert sidecar.input_shape == (None, 3, 32, 64)
    assert (sidecar.preprocess["short_side"], sidecar.preprocess["long_side"]) == (32, 64)


def test_labels_are_the_networks_at_the_input_size(labelling, run):
    """Stretched to the image without what the input is padded with."""
    sidecar = read_sidecar(labelling)
    description = {"preprocess": sidecar.preprocess, "post_process": sidecar.post_process}
    reader = get_task("segmentation").reader(description, CLASSES, (3, 32, 64), 1)
    for image, found in zip(run.images, predictions(labelling, run), strict=True):
        tensor, place = reader.read(image)
        with execution_mode(ms.PYNATIVE_MODE):
            (labels,) = run.model.labels(Tensor(tensor[None])).asnumpy()
        assert tensor.shape == (3, 32, 64)
        expected = nearest(labels[: place.valid[0], : place.valid[1]], place.original)
        assert (found != expected).mean() < 1e-3  # logits that are equal up to rounding


def test_any_batch_is_segmented(labelling, rng):
    network = load_exported(labelling)
    images = rng.normal(size=(3, 3, 32, 64)).astype(np.float32)
    labels = network(images)
    assert (labels.shape, labels.dtype) == ((3, 32, 64), np.int32)
    np.testing.assert_array_equal(labels[1], network(images[1:2])[0])


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("format", "options"),
    [
        ("mindir", {}),
        ("mindir", {"dynamic_batch": True}),
        ("mindir", {"batch_size": 2}),
        pytest.param("onnx", {"fused": False}, marks=pytest.mark.onnx),
        pytest.param("onnx", {"dynamic_batch": True}, marks=pytest.mark.onnx),
    ],
)
def test_a_file_of_logits_predicts_what_the_checkpoint_does(format, options, run, tmp_path):
    """Where an image fits into the input; borders are padded, which convolutions see."""
    report = logits_file(run, tmp_path / f"net.{format}", format=format, **options)
    assert report.max_abs_diff < 1e-4
    assert read_sidecar(report.path).post_process["output"] == "logits"
    padded = replace(run.config, data=replace(run.config.data, pad_divisor=64))
    expected = [p.labels for p in workflows.predict(run.checkpoint, run.images, padded)]
    for ours, theirs in zip(predictions(report.path, run), expected, strict=True):
        assert (ours != theirs).mean() < 1e-3


@pytest.mark.exhaustive
@pytest.mark.onnx
@pytest.mark.parametrize("head", ["semantic_fpn", "upernet"])
def test_labels_in_onnx_are_those_in_mindir(head, tmp_path):
    run = make_run(tmp_path, head=head)
    found = []
    for format in ("mindir", "onnx"):
        path = tmp_path / f"net.{format}"
        report = workflows.export(run.config, run.checkpoint, path, format=format)
        assert report.max_abs_diff < 1e-3
        found.append(predictions(path, run))
    for ours, theirs in zip(*found, strict=True):
        assert (ours != theirs).mean() < 2e-3


@pytest.mark.exhaustive
def test_half_precision_is_verified(run, tmp_path):
    path = tmp_path / "net.mindir"
    report = workflows.export(run.config, run.checkpoint, path, format="mindir", fp16=True)
    assert 0 < report.max_abs_diff < 2e-2
    assert read_sidecar(path).precision == "float16"


@pytest.mark.exhaustive
@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("head", ["semantic_fpn", "upernet"])
def test_a_file_for_ascend_passes_the_audit(head, raw, tmp_path):
    run = make_run(tmp_path, head=head)
    path = tmp_path / "net.mindir"
    workflows.export(run.config, run.checkpoint, path, format="mindir", target="Ascend", raw=raw)
    assert audit_file(path).passed(strict=False)


# --- verification ---------------------------------------------------------------------------------


class Largest(nn.Cell):
    """The channel of the largest value: labels (B, H, W)."""

    def construct(self, images):
        return ops.Argmax(1)(images)


@pytest.mark.parametrize(
    ("precision", "wrong", "accepted"),
    [
        ("float32", 0, True),
        ("float32", 2, True),
        ("float32", 3, False),
        ("float16", 40, True),
        ("float16", 41, False),
    ],
)
def test_labels_may_differ_where_logits_are_equal_up_to_rounding(
    labelling, precision, wrong, accepted
):
    def run(images):
        labels = images.argmax(1).astype(np.int32)
        labels.reshape(-1)[:wrong] += 1
        return labels

    sidecar = replace(read_sidecar(labelling), input_shape=(1, 3, 40, 50), precision=precision)
    if accepted:
        assert max_difference(Largest(), run, sidecar) == pytest.approx(wrong / 2000)
    else:
        with pytest.raises(UserError, match=r"the file differs from the network by 0\.0.*nothing"):
            max_difference(Largest(), run, sidecar)


# --- damaged side-cars ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"post_process": {"output": "x", "palette": []}}, "post_process.output"),
        ({"post_process": {"palette": []}}, "post_process"),
        ({"post_process": {"output": "labels", "palette": [[1, 2, 3]]}}, "1 colours for 4 classes"),
        ({"post_process": {"output": "labels", "palette": [[0, 0, 300]] * 4}}, "from 0 to 255"),
        ({"post_process": {"output": "labels", "palette": {"a": 1}}}, "post_process.palette"),
        ({"post_process": {}}, "post_process"),
        ({"classes": []}, "a label map has 1 to 255 classes, got 0"),
        ({"preprocess": {}}, "preprocess"),
        ({"post_process": {"output": "logits", "palette": []}}, "outputs are no logits"),
        ({"task": "detection"}, "side-car of"),
    ],
)
def test_a_damaged_side_car_is_told_in_one_line(change, message, labelling, run, tmp_path, capsys):
    path = tmp_path / "net.mindir"
    path.write_bytes(labelling.read_bytes())
    content = json.loads(sidecar_path(labelling).read_text(encoding="utf-8"))
    sidecar_path(path).write_text(json.dumps(content | change))
    assert main(["predict", str(path), run.images[0], "--output", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert str(path) in error or run.images[0] in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_an_exported_file_writes_label_maps(labelling, run, tmp_path):
    out = tmp_path / "out"
    assert main(["predict", str(labelling), *run.images, "--output", str(out)]) == 0
    assert {str(path.relative_to(out)) for path in out.rglob("*.*")} == {
        "predictions.json",
        *(f"{folder}{k}.png" for folder in ("", "labels/", "colours/") for k in range(3)),
    }
    for number, image in enumerate(run.images):
        written = np.asarray(Image.open(out / "labels" / f"{number}.png"))
        assert written.shape == np.asarray(Image.open(image)).shape[:2]

"""``acmix.load``: networks of every task predict images in every form, and show what they found."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace

import mindspore as ms
import numpy as np
import pytest
from export.random_weights import draw_anew
from PIL import Image

import acmix
from acmix import workflows
from acmix.config import load_config
from acmix.errors import UserError
from acmix.workflows.runs import build_model
from acmix.workflows.weights import save_model

BODY = "model={name: swin_tiny, kwargs: {embed_dim: 4, depths: [1, 1], num_heads: [1, 2], "
TASKS = {
    "classification": [BODY + "window_size: 4, patch_size: 2}}", "data.image_size=16"],
    "detection": [
        BODY + "window_size: 4, out_indices: [0, 1]}}", "detector.kwargs={channels: 4}",
        "detector.score_threshold=0", "detector.max_detections=9", "data.name=shapes",
        "data.short_side=[32]", "data.long_side=48",
    ],
    "segmentation": [
        BODY + "window_size: 4, out_indices: [0, 1]}}", "segmenter.name=semantic_fpn",
        "segmenter.kwargs={neck_channels: 8, channels: 6}", "data.short_side=32",
        "data.long_side=64", "data.crop_size=32",
    ],
}  # fmt: skip
CLASSES = ["cat", "dog", "熊"]
VALUES = {  # of the predictions of each task
    "classification": ("classes", "probabilities"),
    "detection": ("boxes", "scores", "labels", "classes"),
    "segmentation": ("labels", "classes"),
}


@pytest.fixture(autouse=True)
def _mode():
    ms.set_context(mode=ms.PYNATIVE_MODE)  # as the runs say
    yield
    ms.set_context(mode=ms.GRAPH_MODE)


@pytest.fixture(scope="module", params=TASKS)
def run(request, tmp_path_factory):
    """A run folder of each task, its network, an image, and what was found in each of its forms."""
    return make_run(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    return make_run("classification", tmp_path_factory.mktemp("classifier"))


def make_run(task, folder):
    ms.set_context(mode=ms.PYNATIVE_MODE)
    config = load_config(None, [f"task={task}", "runtime.mode=pynative", *TASKS[task]])
    (folder / "checkpoints").mkdir()
    (folder / "config.yaml").write_text(config.to_yaml(), encoding="utf-8")
    (folder / "classes.json").write_text(json.dumps(CLASSES), encoding="utf-8")
    model = draw_anew(build_model(config, len(CLASSES)), np.random.default_rng(0))
    save_model(model, folder / "checkpoints" / "best.ckpt")
    pixels = np.random.default_rng(1).integers(256, size=(20, 30, 3), dtype=np.uint8)
    file = folder / "image.png"
    Image.fromarray(pixels).save(file)
    network = acmix.load(folder)
    forms = file, file.read_bytes(), Image.open(file), pixels
    return SimpleNamespace(
        task=task, checkpoint=folder / "checkpoints" / "best.ckpt", config=config, file=file,
        network=network, pixels=pixels, found=network.predict(iter(forms)),
    )  # fmt: skip


def assert_same(run, one, other):
    for name in VALUES[run.task]:
        pair = np.asarray(getattr(one, name)), np.asarray(getattr(other, name))
        if pair[0].dtype.kind == "f":
            np.testing.assert_allclose(*pair, rtol=1e-4, atol=1e-5, err_msg=name)
        else:
            np.testing.assert_array_equal(*pair, err_msg=name)


def test_an_image_in_memory_is_predicted_as_its_file(run):
    of_file, *others = run.found
    assert of_file.image == str(run.file)
    for found in others:
        assert_same(run, found, of_file)
        assert found.image == "an image of 30 x 20 pixels"
        json.dumps(found.to_dict())
        np.testing.assert_array_equal(np.asarray(found.picture()), np.asarray(of_file.picture()))


def test_what_is_found_is_drawn_shown_and_printed(run, tmp_path):
    found = run.found[-1]
    found.draw(str(tmp_path / "drawn.png"))
    drawn = np.asarray(Image.open(tmp_path / "drawn.png"))
    np.testing.assert_array_equal(drawn, np.asarray(found.picture()))
    assert (drawn != np.asarray(Image.fromarray(run.pixels).resize(drawn.shape[1::-1]))).any()
    shown = Image.open(io.BytesIO(found._repr_png_()))
    np.testing.assert_array_equal(np.asarray(shown), np.asarray(found.above(0.3).picture()))
    assert str(found) == "\n".join(found.above(0.3).lines())


def test_a_checkpoint_predicts_what_the_command_predicts(classifier):
    (expected,) = workflows.predict(classifier.checkpoint, [str(classifier.file)])
    network = acmix.load(classifier.checkpoint)
    assert network.classes == tuple(CLASSES)
    for found in (network.predict(classifier.file), classifier.found[0]):
        assert_same(classifier, found, expected)
    assert network.predict(classifier.file).to_dict() == expected.to_dict()


def test_a_list_gives_a_list_in_its_order(classifier):
    network, pixels = classifier.network, classifier.pixels
    images = [pixels, pixels[::-1], pixels[:9]]
    found = network.predict(images, batch_size=2)
    assert found[0].probabilities != found[1].probabilities
    for image, one in zip(images, found, strict=True):
        assert_same(classifier, one, network.predict(image))
    assert network.predict([]) == []


def test_a_photograph_is_turned_upright_once(classifier, tmp_path):
    exif, network = Image.Exif(), classifier.network
    exif[0x0112] = 6
    Image.fromarray(classifier.pixels).save(tmp_path / "turned.png", exif=exif)
    image = Image.open(tmp_path / "turned.png")
    found = network.predict([image, np.rot90(classifier.pixels, -1)])
    assert found[0].image == found[1].image == "an image of 20 x 30 pixels"
    assert_same(classifier, *found)


def test_the_prediction_keeps_the_pixels_that_it_saw(classifier):
    image = Image.fromarray(classifier.pixels)
    found = classifier.network.predict(image)
    expected = np.asarray(found.picture())
    image.paste((0, 0, 0), (0, 0, 9, 9))
    np.testing.assert_array_equal(np.asarray(found.picture()), expected)


def test_what_is_no_image_is_refused(classifier):
    network, pixels = classifier.network, classifier.pixels
    for images, message in (
        (pixels.transpose(2, 0, 1), "channels come first"),
        (pixels[None], "this is a batch"),
        (None, "got NoneType"),
        (ms.Tensor(pixels), r"asnumpy\(\)"),
        ([pixels, "nowhere.png"], r"nowhere\.png"),
    ):
        with pytest.raises(UserError, match=message):
            network.predict(images)
    with pytest.raises(UserError, match="batch_size must be at least 1"):
        network.predict(pixels, batch_size=0)


def test_what_is_no_network_is_refused(tmp_path):
    with pytest.raises(UserError, match="folder without checkpoints"):
        acmix.load(tmp_path)
    with pytest.raises(UserError, match="does not exist"):
        acmix.load(tmp_path / "net.mindir")
    with pytest.raises(UserError, match="top must be at least 1"):
        acmix.load(tmp_path, top=0)


@pytest.mark.exhaustive
@pytest.mark.parametrize("format", ["mindir", pytest.param("onnx", marks=pytest.mark.onnx)])
def test_an_exported_file_predicts_the_same(classifier, format, tmp_path):
    file, pixels = tmp_path / f"net.{format}", classifier.pixels
    arguments = {"format": format, "batch_size": 2, "verify": False}
    workflows.export(classifier.config, classifier.checkpoint, file, **arguments)
    images = [pixels, classifier.file, pixels[::-1]]
    found = acmix.load(file, top=2).predict(images)
    for one, other in zip(found, classifier.network.predict(images), strict=True):
        assert one.classes == other.classes[:2]
        np.testing.assert_allclose(one.probabilities, other.probabilities[:2], atol=1e-5)

"""``acmix predict`` with a segmenter: labels of every pixel of the image, in files of their own."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image
from tasks.small_segmentation import CLASSES, PALETTE, make_run, small_config

from acmix import workflows
from acmix.cli import main
from acmix.data.class_list import colour_map
from acmix.data.label_file import decode_labels
from acmix.data.segmentation_preprocess import SegmentationPreprocess
from acmix.errors import UserError
from acmix.tasks.drawing import draw_labels
from acmix.tasks.picture_files import is_drawn
from acmix.tasks.segmentation.prediction import (
    PixelOutputs,
    Placement,
    SegmentationReader,
    Segmented,
)
from acmix.workflows.weights import save_model


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("segmentation"))


def picture(path, size, mode="RGB", **options):
    """Write an image of ``size`` (width, height) of random pixels."""
    rng = np.random.default_rng(sum(size))
    pixels = rng.integers(256, size=(size[1], size[0], 4), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).convert(mode).save(os.fsencode(path), path.suffix[1:], **options)
    return str(path)


def turned():
    """Say that the image is to be shown after a quarter turn."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


# --- whatever the image ---------------------------------------------------------------------------

IMAGES = {
    "wide": ((90, 17), "RGB", {}),
    "tall": ((13, 70), "RGB", {}),
    "one pixel": ((1, 1), "RGB", {}),
    "3 x 2": ((3, 2), "RGB", {}),
    "gr\udce9y": ((31, 22), "L", {}),
    "clear": ((22, 31), "RGBA", {}),
    "turned": ((40, 25), "RGB", {"exif": turned()}),
}


@pytest.fixture(scope="module")
def predicted(run, tmp_path_factory):
    """Images of all kinds, and the folder that the command made of them."""
    folder = tmp_path_factory.mktemp("images")
    images = [
        picture(folder / f"{name}.png", size, mode, **options)
        for name, (size, mode, options) in IMAGES.items()
    ]
    out = folder / "out"
    assert main(["predict", str(run.checkpoint), *images, "--output", str(out)]) == 0
    return images, out


@pytest.mark.parametrize("name", IMAGES, ids=ascii)
def test_label_maps_have_the_size_of_the_image(name, run, predicted):
    images, out = predicted
    width, height = IMAGES[name][0] if name != "turned" else IMAGES[name][0][::-1]
    grey, coloured = ((out / kind / f"{name}.png") for kind in ("labels", "colours"))
    labels = decode_labels(grey.read_bytes())  # as the data sets read label files
    assert labels.shape == (height, width)
    np.testing.assert_array_equal(decode_labels(coloured.read_bytes()), labels)
    colours = np.asarray(Image.open(coloured).convert("RGB"))
    np.testing.assert_array_equal(colours, np.array(PALETTE, np.uint8)[labels])
    overlay = Image.open(out / f"{name}.png")
    assert overlay.width > width
    assert overlay.height >= height
    assert all(map(is_drawn, (grey, coloured, out / f"{name}.png")))
    (again,) = workflows.predict(run.checkpoint, [images[list(IMAGES).index(name)]])
    np.testing.assert_array_equal(again.labels, labels)


def test_json_tells_size_and_shares(predicted):
    images, out = predicted
    entries = json.loads((out / "predictions.json").read_text())
    assert [entry["image"] for entry in entries] == images
    for entry, name in zip(entries, IMAGES, strict=True):
        labels = np.asarray(Image.open(out / "labels" / f"{name}.png"))
        assert (entry["height"], entry["width"]) == labels.shape
        shares = {CLASSES[k]: (labels == k).mean() for k in np.unique(labels)}
        found = {item["class"]: item["share"] for item in entry["classes"]}
        assert found == pytest.approx(shares)
        assert list(found.values()) == sorted(found.values(), reverse=True)


def test_written_labels_are_read_as_a_data_set(run, predicted, tmp_path):
    """The grey maps are label files: predictions of one network may train another."""
    images, out = predicted
    for split in ("train", "val"):
        (tmp_path / "images" / split).mkdir(parents=True)
        for image in images[:2]:
            shutil.copy(image, tmp_path / "images" / split)
        shutil.copytree(out / "colours", tmp_path / "labels" / split)
        for name in list(IMAGES)[2:]:
            (tmp_path / "labels" / split / f"{name}.png").unlink()
    (tmp_path / "classes.txt").write_text("\n".join(CLASSES), encoding="utf-8")
    metric, _ = workflows.evaluate(small_config(tmp_path), run.checkpoint)
    assert metric.compute()["aAcc"] == 1


@pytest.mark.exhaustive
def test_windows_are_used_for_prediction_as_for_evaluation(run, predicted):
    config = small_config(run.data, "segmenter.window=24", "segmenter.window_stride=16")
    (windows,) = workflows.predict(run.checkpoint, predicted[0][:1], config)
    (whole,) = workflows.predict(run.checkpoint, predicted[0][:1])
    assert windows.labels.shape == whole.labels.shape
    assert 0 < (windows.labels != whole.labels).mean() < 0.9


# --- which colours and names ----------------------------------------------------------------------


def test_weights_without_a_note_get_numbers_and_default_colours(run, predicted, tmp_path):
    save_model(run.model, tmp_path / "weights.ckpt")
    (found,) = workflows.predict(tmp_path / "weights.ckpt", predicted[0][:1], run.config)
    assert found.classes == ("0", "1", "2", "3")
    np.testing.assert_array_equal(found.palette, colour_map(4))


def test_other_names_keep_the_colours(run, predicted, tmp_path):
    (tmp_path / "names.txt").write_text("a\nb\nc\nd")
    (found,) = workflows.predict(
        run.checkpoint, predicted[0][:1], class_file=tmp_path / "names.txt"
    )
    assert found.classes == tuple("abcd")
    np.testing.assert_array_equal(found.palette, PALETTE)


# --- the reader -----------------------------------------------------------------------------------

PLACE = Placement((4, 6), (8, 12), (8, 12))
PREPROCESS = {
    "short_side": 8, "long_side": 16, "size_divisor": 1, "pad_divisor": 1, "channels": 3,
    "mean": (0.5, 0.5, 0.5), "std": (1.0, 1.0, 1.0), "interpolation": "bilinear",
}  # fmt: skip


def reader(output="logits", classes=CLASSES, palette=(), shape=None):
    outputs = PixelOutputs.from_dict({"output": output, "palette": palette})
    return SegmentationReader(SegmentationPreprocess(**PREPROCESS), outputs, classes, shape)


def test_a_head_may_have_more_outputs_than_classes(tmp_path):
    logits = np.zeros((6, 8, 12), np.float32)
    logits[5, :4] = 1
    found = reader(palette=PALETTE).interpret("x.png", logits, PLACE)
    assert found.lines() == [" 50.00 %  sky", " 50.00 %  class 5"]
    np.testing.assert_array_equal(found.palette[:4], PALETTE)
    assert len(found.palette) == 6
    image = picture(tmp_path / "x.png", (6, 4))
    Segmented(image, *list(vars(found).values())[1:]).draw(tmp_path / "out" / "x.png")
    colours = Image.open(tmp_path / "out" / "colours" / "x.png").convert("RGB")
    assert colours.getpixel((0, 0)) == tuple(found.palette[5])


def test_labels_of_an_input_are_stretched_without_its_padding():
    labels = np.full((8, 12), 3, np.int32)
    labels[:4, :6] = [[0] * 3 + [1] * 3] * 2 + [[2] * 6] * 2
    found = reader("labels").interpret("x.png", labels, Placement((8, 18), (8, 12), (4, 6)))
    expected = np.repeat(np.repeat(labels[:4, :6], 2, 0), 3, 1)
    np.testing.assert_array_equal(found.labels, expected)


@pytest.mark.parametrize("original", [(1, 1), (3, 5), (7, 2), (40, 33)])
def test_each_pixel_gets_the_label_at_its_centre(original, rng):
    labels = rng.integers(4, size=(8, 12)).astype(np.int32)
    found = reader("labels").interpret("x.png", labels, Placement(original, (8, 12), (7, 11)))
    for y, x in np.ndindex(original):
        row, column = ((y + 0.5) * 7 / original[0], (x + 0.5) * 11 / original[1])
        assert found.labels[y, x] == labels[int(row), int(column)]


@pytest.mark.parametrize(
    ("output", "outputs"),
    [
        ("logits", np.zeros((8, 12), np.int32)),
        ("logits", np.zeros((256, 2, 3), np.float32)),
        ("logits", (np.zeros((4, 2, 3), np.float32),) * 2),
        ("labels", np.zeros((4, 2, 3), np.float32)),
        ("labels", np.zeros((12, 8), np.int32)),
        ("labels", np.full((8, 12), 255, np.int32)),
        ("labels", np.full((8, 12), 300, np.int32)),
        ("labels", np.full((8, 12), -1, np.int32)),
    ],
)
def test_outputs_of_another_kind_are_refused_by_name(output, outputs):
    with pytest.raises(UserError, match=rf"^x\.png: the network's outputs are no {output} of up"):
        reader(output).interpret("x.png", outputs, PLACE)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_outputs_that_are_no_numbers_are_refused(value):
    logits = np.zeros((4, 2, 3), np.float32)
    logits[1, 1, 2] = value
    with pytest.raises(UserError, match=r"x\.png: the network's outputs are NaN or infinite"):
        reader().interpret("x.png", logits, PLACE)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": ()}, "a label map has 1 to 255 classes, got 0"),
        ({"classes": tuple(map(str, range(256)))}, "a label map has 1 to 255 classes, got 256"),
        ({"palette": PALETTE[:3]}, r"post_process\.palette has 3 colours for 4 classes"),
        ({"palette": [[0, 0, 300]] * 4}, r"post_process\.palette must hold red, green and blue"),
        ({"palette": [[0, 0]] * 4}, r"post_process\.palette must hold red, green and blue"),
        ({"palette": "red"}, r"post_process\.palette"),
        ({"palette": [["a", "b", "c"]] * 4}, r"post_process\.palette"),
        ({"output": "x"}, r"post_process\.output"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(changes, message):
    with pytest.raises(UserError, match=message) as caught:
        reader(**changes)
    assert "\n" not in str(caught.value)


def test_255_classes_have_labels_and_colours(tmp_path):
    labels = np.arange(255, dtype=np.uint8).reshape(15, 17)
    classes = tuple(map(str, range(255)))
    image = picture(tmp_path / "x.png", (17, 15))
    Segmented(image, labels, classes, np.array(colour_map(255), np.uint8)).draw(
        tmp_path / "out" / "x.png"
    )
    for kind in ("labels", "colours"):
        written = (tmp_path / "out" / kind / "x.png").read_bytes()
        np.testing.assert_array_equal(decode_labels(written), labels)


# --- the legend -----------------------------------------------------------------------------------


def legend(size, names):
    """Draw an image of one colour with all labels in it; return the overlay."""
    labels = np.resize(np.arange(len(names), dtype=np.uint8), size)
    image = Image.new("RGB", size[::-1], (100, 100, 100))
    palette = np.array([(250, 0, 2 * k) for k in range(len(names))], np.uint8)
    return np.asarray(draw_labels(image, labels, palette, dict(enumerate(names)))), palette


def test_overlays_mix_image_and_colours():
    overlay, palette = legend((40, 60), ["a", "b"])
    np.testing.assert_allclose(overlay[0, 0], 0.45 * 100 + 0.55 * palette[0], atol=1)
    np.testing.assert_allclose(overlay[5, 5], 0.45 * 100 + 0.55 * palette[0], atol=1)
    np.testing.assert_allclose(overlay[0, 6], 0.45 * 100 + 0.55 * palette[1], atol=1)


@pytest.mark.parametrize(
    ("size", "count", "shown"),
    [((2, 3), 6, 6), ((1, 1), 1, 1), ((30, 400), 30, 9), ((400, 300), 8, 8), ((450, 340), 60, 23)],
)
def test_the_legend_shows_as_many_classes_as_fit_and_ten_at_least(size, count, shown):
    overlay, palette = legend(size, [f"class {k}" for k in range(count)])
    factor = -(-320 // max(size))
    height, width = (max(1, factor) * side for side in size)
    column = overlay[:, width:].reshape(-1, 3)
    found = [k for k in range(count) if (column == palette[k]).all(1).any()]
    assert found == list(range(shown))
    assert overlay.shape[0] >= height
    assert (overlay[height:, :width] == 255).all()  # nothing below a low image


def test_long_names_do_not_make_the_legend_wider_than_a_picture(tmp_path, run):
    labels, palette = np.zeros((300, 400), np.uint8), np.array([PALETTE[1]], np.uint8)
    image = picture(tmp_path / "x.png", (400, 300))
    for name in ("ab", "a" * 10_000):
        Segmented(image, labels, (name,), palette).draw(tmp_path / f"{len(name)}.png")
    short, long = (Image.open(tmp_path / f"{n}.png").width for n in (2, 10_000))
    assert short < long < 850


def test_a_share_is_never_shown_as_nothing(monkeypatch):
    labels = np.zeros((30, 30), np.uint8)
    labels[0, 0] = 1
    seen = []
    monkeypatch.setattr(
        "acmix.tasks.segmentation.prediction.draw_labels", lambda *a: seen.extend(a[3].values())
    )
    found = Segmented("x", labels, ("a", "b"), np.zeros((2, 3), np.uint8))
    found.picture(Image.new("RGB", (30, 30)))
    assert seen == ["a 100 %", "b <1 %"]
    assert found.lines() == [" 99.89 %  a", "  0.11 %  b"]


# --- files of the user ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["labels", "colours"])
def test_label_files_of_the_user_are_not_replaced(run, kind, tmp_path, capsys):
    images = [picture(tmp_path / "in" / f"{name}.png", (8, 9)) for name in "ab"]
    mine = tmp_path / "out" / kind / "b.png"
    picture(mine, (8, 9), "L")
    before = mine.read_bytes()
    call = ["predict", str(run.checkpoint), *images, "--output", str(tmp_path / "out")]
    assert main(call) == 2
    error = capsys.readouterr().err
    assert f"{mine} exists and is none of acmix predict's; name another folder" in error
    assert error.count("\n") == 1
    assert mine.read_bytes() == before
    assert not (tmp_path / "out" / "a.png").exists()  # all are looked at first
    found = Segmented(images[1], np.zeros((9, 8), np.uint8), ("a",), np.zeros((1, 3), np.uint8))
    with pytest.raises(UserError, match=r"b\.png exists and is none of acmix predict's"):
        found.draw(tmp_path / "out" / "b.png")
    assert mine.read_bytes() == before


def test_a_label_map_that_is_read_is_not_replaced(run, tmp_path, capsys):
    image = picture(tmp_path / "x.png", (8, 9))
    call = ["predict", str(run.checkpoint), "--output", str(tmp_path / "out")]
    assert main([*call, image]) == 0
    assert main([*call, image]) == 0  # what it wrote itself is replaced
    written = tmp_path / "out" / "labels" / "x.png"
    assert main([*call, str(written)]) == 2
    assert f"labels/x.png is the input {written}, which would be lost" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["file", "link", "folder"])
def test_what_stands_in_the_place_of_a_label_map_is_told(run, what, tmp_path, capsys):
    image, out = picture(tmp_path / "x.png", (8, 9)), tmp_path / "out"
    out.mkdir()
    if what == "file":
        (out / "labels").write_text("mine")
    elif what == "folder":
        (out / "labels" / "x.png").mkdir(parents=True)
    else:
        (out / "labels").mkdir()
        (out / "labels" / "x.png").symlink_to(tmp_path / "victim.png")
    assert main(["predict", str(run.checkpoint), image, "--output", str(out)]) == 2
    error = capsys.readouterr().err
    assert str(out / "labels") in error
    assert error.count("\n") == 1
    assert not (tmp_path / "victim.png").exists()
    assert not (out / "x.png").exists()

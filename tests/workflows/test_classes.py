"""Labels are names: where a network's names come from, and how they meet those of data."""

from __future__ import annotations

import json
import shutil
import unicodedata

import numpy as np
import pytest

from acmix import workflows
from acmix.config import load_config
from acmix.data import create_dataset
from acmix.engine import load_weights
from acmix.engine.checkpoint import read_about, read_checkpoint
from acmix.errors import UserError
from acmix.models import create_model
from acmix.workflows.classes import class_names, count_classes, match_classes, read_class_file
from acmix.workflows.runs import run_config
from acmix.workflows.weights import save_model

NETWORK = ("ant", "bee", "cat")
MODEL = "model.kwargs={patch_size: 4, embed_dim: 12, depths: [1], num_heads: [1], window_size: 4}"
COLOURS = {"ant": (250, 20, 20), "bee": (20, 250, 20), "cat": (20, 20, 250), "dog": (240, 240, 20)}


@pytest.mark.parametrize(
    ("data", "labels", "said"),
    [
        (("ant", "bee", "cat"), (0, 1, 2), ""),
        (("cat", "ant", "bee"), (2, 0, 1), "another order"),
        (("bee", "cat"), (1, 2), "The data has no class 'ant'"),
        (("cat",), (2,), "The data has no class 'ant', 'bee'"),
        (("ant", "bee", "cat", "dog"), (0, 1, 2, -1), "does not know 'dog'"),
    ],
)
def test_lists_match_by_name_where_one_holds_the_other(data, labels, said, caplog):
    assert match_classes(NETWORK, data, "best.ckpt") == labels
    assert said in caplog.text
    assert bool(said) == bool(caplog.text)


@pytest.mark.parametrize(
    "data", [("bee", "cat", "dog"), ("dog",), ("x", "y", "z"), ("ant", "bee", "Cat")]
)
def test_lists_that_do_not_match_are_refused_with_both(data):
    with pytest.raises(UserError) as error:
        match_classes(NETWORK, data, "best.ckpt")
    for name in (*NETWORK, *data):
        assert f"'{name}'" in str(error.value)


def test_forms_of_unicode_are_one_name(caplog):
    network = (unicodedata.normalize("NFC", "café"), "ü")
    data = (unicodedata.normalize("NFD", "café"), "ü")
    assert match_classes(network, data, "best.ckpt") == (0, 1)
    assert "differ in their Unicode form only" in caplog.text


def test_names_that_appear_twice_match_in_the_same_order_only():
    assert match_classes(("a", "a"), ("a", "a"), "best.ckpt") == (0, 1)
    with pytest.raises(UserError, match="cannot be matched"):
        match_classes(("a", "a", "b"), ("b", "a", "a"), "best.ckpt")


@pytest.mark.parametrize("content", ['["蚂蚁", "b"]', "蚂蚁\nb\n", "\ufeff蚂蚁\r\nb\r\n\r\n"])
def test_a_file_of_names_is_a_json_list_or_lines(tmp_path, content):
    (tmp_path / "names").write_text(content, encoding="utf-8", newline="")
    assert read_class_file(tmp_path / "names") == ("蚂蚁", "b")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("狗".encode("gbk"), "is not UTF-8 text .*; save it as UTF-8"),
        (b"[1, 2]", "must hold a list of class names"),
        (b"[", "is not JSON"),
        (b"[" * 10**5, "is not JSON"),
        (b"", "must hold a list"),
        (b"a\n\nb", "name 2 is empty"),
    ],
)
def test_another_file_is_refused_in_one_line(tmp_path, content, message):
    (tmp_path / "names").write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_class_file(tmp_path / "names")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A trained run, its configuration, and folders of images told apart by colour."""
    from PIL import Image

    root = tmp_path_factory.mktemp("classes")
    rng = np.random.default_rng(0)
    contents = {
        "data": (("train", NETWORK), ("val", NETWORK)),
        "bc": (("val", ("bee", "cat")),),
        "bcd": (("val", ("bee", "cat", "dog")),),
        "abcd": (("val", (*NETWORK, "dog")),),
    }
    for name, splits in contents.items():
        for split, classes in splits:
            for label in classes:
                place = root / name / split / label
                place.mkdir(parents=True)
                for i in range(8):
                    noise = rng.integers(-15, 15, (16, 16, 3))
                    pixels = (np.array(COLOURS[label]) + noise).clip(0, 255).astype(np.uint8)
                    Image.fromarray(pixels).save(place / f"{i}.png")
    overrides = [
        "model.name=acmix_swin_tiny", MODEL, f"data.root={root / 'data'}", "data.image_size=16",
        "data.batch_size=8", "data.scale=null", "data.crop_pct=1.0", "data.num_workers=1",
        "optim.lr=5e-3", "train.epochs=6", f"output={root / 'run'}",
    ]  # fmt: skip
    config = load_config(None, overrides)
    assert workflows.train(config).metrics["top1"] == 1
    return root


@pytest.fixture
def checkpoint(folder):
    return folder / "run" / "checkpoints" / "best.ckpt"


@pytest.fixture
def config(checkpoint):
    return run_config(checkpoint)


def test_every_checkpoint_and_the_folder_name_the_classes(folder, checkpoint):
    assert read_about(checkpoint)["classes"] == list(NETWORK)
    assert json.loads((folder / "run" / "classes.json").read_text()) == list(NETWORK)


@pytest.mark.parametrize("name", ["bc", "abcd"])
def test_a_test_folder_with_other_classes_is_scored_by_name(folder, checkpoint, config, name):
    data = load_config(folder / "run" / "config.yaml", [f"data.root={folder / name}"])
    metric, classes = workflows.evaluate(data, checkpoint)
    assert classes == NETWORK
    assert metric.compute()["top1"] == 1
    assert metric.confusion.sum() == (16 if name == "bc" else 24)  # of dogs none
    assert np.isnan(metric.per_class()[0]) == (name == "bc")


def test_a_test_folder_of_classes_that_match_in_part_is_refused(folder, checkpoint):
    data = load_config(folder / "run" / "config.yaml", [f"data.root={folder / 'bcd'}"])
    with pytest.raises(UserError, match=r"'ant', 'bee', 'cat'; the data has 'bee', 'cat', 'dog'"):
        workflows.evaluate(data, checkpoint)


def test_a_checkpoint_copied_out_of_its_run_is_complete(checkpoint, config, tmp_path):
    alone = tmp_path / "a" / "b" / "net.ckpt"
    alone.parent.mkdir(parents=True)
    shutil.copy(checkpoint, alone)
    found = run_config(alone)
    assert class_names(found, alone) == NETWORK
    assert (found.model, found.data.mean) == (config.model, config.data.mean)


@pytest.fixture
def converted(config, tmp_path):
    """Weights alone, as conversion writes them."""
    model = create_model(config.model.name, num_classes=5, **config.model.kwargs)
    save_model(model, tmp_path / "converted.ckpt")
    return tmp_path / "converted.ckpt"


def test_weights_without_names_have_numbers_or_those_of_a_file(config, converted, tmp_path, caplog):
    assert class_names(config, converted) == ("0", "1", "2", "3", "4")
    assert "does not name its classes: they are called 0 to 4" in caplog.text
    (tmp_path / "names.txt").write_text("a\nb\nc\nd\ne\n")
    assert class_names(config, converted, tmp_path / "names.txt") == tuple("abcde")
    (tmp_path / "names.txt").write_text("a\nb\n")
    with pytest.raises(UserError, match=r"names\.txt holds 2 names, but .* has 5 classes"):
        class_names(config, converted, tmp_path / "names.txt")


def test_the_names_of_a_run_in_another_order_are_refused(checkpoint, config, tmp_path):
    (tmp_path / "names.txt").write_text("Ameise\nBiene\nKatze\n")
    assert class_names(config, checkpoint, tmp_path / "names.txt") == ("Ameise", "Biene", "Katze")
    (tmp_path / "names.txt").write_text("bee\ncat\nant\n")
    with pytest.raises(UserError, match="in another order: 'bee', 'cat', 'ant' instead of 'ant'"):
        class_names(config, checkpoint, tmp_path / "names.txt")


def test_classes_of_a_detector_are_counted_in_its_weights(tmp_path):
    keys = [
        "task=detection", "model.name=resnet26", "model.kwargs={width: 8}",
        "detector.kwargs={channels: 16, num_levels: 3, num_convs: 1}",
    ]  # fmt: skip
    config = load_config(None, keys)
    model = workflows.runs.build_model(config, 7)
    save_model(model, tmp_path / "net.ckpt")
    assert count_classes(config, tmp_path / "net.ckpt") == 7


def test_weights_of_another_network_have_no_count(config, tmp_path):
    save_model(create_model("resnet26", num_classes=5, width=8), tmp_path / "net.ckpt")
    with pytest.raises(UserError, match="has no classifier of acmix_swin_tiny"):
        class_names(config, tmp_path / "net.ckpt")


@pytest.mark.parametrize("change", ["renamed", "moved", "replaced"])
def test_a_run_does_not_go_on_with_other_data(folder, checkpoint, tmp_path, change):
    from PIL import Image

    root = tmp_path / "data"
    shutil.copytree(folder / "data", root)
    shutil.copytree(folder / "run", tmp_path / "run")
    if change == "renamed":
        for split in ("train", "val"):
            (root / split / "ant").rename(root / split / "zz")
    elif change == "moved":
        (root / "train" / "ant" / "3.png").rename(root / "train" / "bee" / "x.png")
    else:
        Image.new("RGB", (16, 16)).save(root / "train" / "ant" / "3.png")
    overrides = [f"data.root={root}", f"output={tmp_path / 'run'}", "train.epochs=7"]
    config = load_config(folder / "run" / "config.yaml", overrides)
    message = "trained on the classes" if change == "renamed" else "training data is not that of"
    with pytest.raises(UserError, match=message):
        workflows.train(config, resume="auto")
    assert read_checkpoint(tmp_path / "run/checkpoints/last.ckpt").progress.epoch == 6


def test_detections_are_matched_by_name_of_the_category():
    config = load_config(None, ["task=detection", "data.name=shapes"])
    data = create_dataset(config.data, "val", seed=0)
    names, ids = data.classes, data.category_ids
    network = (names[2], "unknown to the data", names[0], names[1])
    other = data.relabelled(network, match_classes(network, names, "net.ckpt"))
    assert other.category_ids == (ids[2], None, ids[0], ids[1])
    assert data.category_ids == ids


def test_weights_are_those_of_the_run(checkpoint):
    assert load_weights(checkpoint)["head.weight"].shape[0] == len(NETWORK)

"""CIFAR in both published forms: pixels, labels, names, and faults that name file and byte."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from cifar_samples import (
    FILES,
    FOLDERS,
    NAMES,
    content,
    dump_python_3,
    write_binary,
    write_python,
)

from acmix.config import ClassificationDataConfig
from acmix.data import create_dataset, prepare_mindrecord
from acmix.errors import UserError

KINDS = {"cifar10": 0, "cifar100": 1, "cifar100_coarse": 0}


def files_of(name):
    return name.removesuffix("_coarse")


def config(root, name="cifar10", **changes):
    settings = {
        "name": name, "root": str(root), "image_size": 32, "batch_size": 4, "num_workers": 1,
        "crop_pct": 1.0, "scale": None, "hflip": 0.0, "mean": (0.0,) * 3, "std": (1 / 255,) * 3,
    }  # fmt: skip
    return ClassificationDataConfig(**settings | changes)


def everything(data):
    images, labels = zip(*data.epoch(0), strict=True)
    return np.concatenate(images), np.concatenate(labels)


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    """Both forms of both data sets, each in a folder of its own."""
    binary, python = tmp_path_factory.mktemp("binary"), tmp_path_factory.mktemp("python")
    for name in FILES:
        write_binary(binary, name)
        write_python(python, name)
    return binary, python


@pytest.mark.parametrize("form", [0, 1], ids=["binary", "python"])
@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("inside", [True, False])
def test_pixels_labels_and_names_are_those_written(roots, form, name, inside):
    files = files_of(name)
    root = roots[form] / FOLDERS[files][form] if inside else roots[form]
    data = create_dataset(config(root, name), "val", seed=0)
    images, labels = everything(data)
    (pixels, written), = content(files, "val")  # fmt: skip
    np.testing.assert_allclose(images, pixels, atol=1e-4)
    assert labels.tolist() == written[:, KINDS[name]].tolist()
    key = {"cifar10": "label", "cifar100": "fine_label", "cifar100_coarse": "coarse_label"}[name]
    assert list(data.classes) == NAMES[f"{key}_names"]


def test_training_images_are_all_of_the_files_in_their_order(roots):
    for root in roots:
        data = create_dataset(config(root, batch_size=20), "train", seed=0)
        (images, labels), = data.epoch(0)  # fmt: skip
        order = np.random.default_rng((0, 0)).permutation(20)
        pixels = np.concatenate([part for part, _ in content("cifar10", "train")])
        written = np.concatenate([part for _, part in content("cifar10", "train")])
        np.testing.assert_allclose(images, pixels[order], atol=1e-4)
        assert labels.tolist() == written[order, 0].tolist()


@pytest.mark.parametrize("name", KINDS)
def test_both_forms_and_the_mindrecord_copy_are_the_same_data(roots, name, tmp_path):
    binary, python = (create_dataset(config(root, name), "train", seed=0) for root in roots)
    assert binary.digest() == python.digest()
    counts = prepare_mindrecord(config(roots[0], name), tmp_path / "copy")
    assert counts == {"train": binary.num_samples, "val": 4}
    copy = create_dataset(config(tmp_path / "copy", name), "train", seed=0)
    assert copy.digest() == binary.digest()
    for ours, theirs in zip(copy.epoch(1), binary.epoch(1), strict=True):
        for array, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(array, other)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("order", ["C", "F"])
def test_pickles_of_any_protocol_are_read(tmp_path, protocol, order):
    def dump(tree):
        if "data" in tree:
            tree["data"] = np.asarray(tree["data"], order=order)
        return dump_python_3(protocol)(tree)

    write_python(tmp_path, "cifar10", dump)
    images, _ = everything(create_dataset(config(tmp_path), "val", seed=0))
    np.testing.assert_allclose(images, content("cifar10", "val")[0][0], atol=1e-4)


def test_a_pickle_that_would_run_something_runs_nothing(tmp_path):
    folder = write_python(tmp_path, "cifar10")
    target = tmp_path / "made"
    (folder / "test_batch").write_bytes(b"cos\nmkdir\n(V" + str(target).encode() + b"\ntR.")
    with pytest.raises(UserError, match="test_batch"):
        create_dataset(config(tmp_path), "val", seed=0)
    assert not target.exists()


def test_worker_processes_read_the_array(roots):
    ours = create_dataset(config(roots[0], workers_are="processes", num_workers=2), "train", seed=0)
    theirs = create_dataset(config(roots[0]), "train", seed=0)
    for batch, expected in zip(ours.epoch(2), theirs.epoch(2), strict=True):
        np.testing.assert_array_equal(batch[0], expected[0])


def test_the_message_lists_what_was_looked_for_and_what_is_there(tmp_path):
    (tmp_path / "cat.png").touch()
    with pytest.raises(UserError) as raised:
        create_dataset(config(tmp_path), "train", seed=0)
    for part in (
        "does not hold cifar10", "data_batch_1.bin to data_batch_5.bin with batches.meta.txt",
        "cifar-10-batches-bin/", "data_batch_1 to data_batch_5 with batches.meta (", "cat.png",
    ):  # fmt: skip
        assert part in str(raised.value)
    with pytest.raises(UserError, match=r"data\.root is not set"):
        create_dataset(ClassificationDataConfig(name="cifar10"), "train", seed=0)


@pytest.mark.parametrize("missing", ["data_batch_3.bin", "batches.meta.txt"])
def test_a_missing_file_is_named(tmp_path, missing):
    (write_binary(tmp_path, "cifar10") / missing).unlink()
    with pytest.raises(UserError, match=rf"{missing} is missing"):
        create_dataset(config(tmp_path), "train", seed=0)


def change(file, edit):
    file.write_bytes(edit(bytearray(file.read_bytes())))


def cut(end):
    return lambda content: content[:end]


def put(at, value):
    def edit(content):
        content[at] = value
        return content

    return edit


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (cut(3073 * 2 + 5), "the one from byte 6146 on has 5"),
        (cut(0), "the one from byte 0 on has 0"),
        (put(3073, 10), "byte 3073 is the label 10, and there are 10 classes"),
    ],
)
def test_a_damaged_binary_file_names_the_byte(tmp_path, edit, message):
    change(write_binary(tmp_path, "cifar10") / "test_batch.bin", edit)
    with pytest.raises(UserError, match=rf"test_batch\.bin is damaged.*{message}"):
        create_dataset(config(tmp_path), "val", seed=0)


def tree(**changes):
    whole = {"data": np.zeros((2, 3072), np.uint8), "labels": [1, 2]} | changes
    return pickle.dumps(whole, 2)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (tree()[:100], "is damaged at byte"),
        (tree(labels=[1]), "'labels' must be a list of a number from 0 to 9 for each of the 2"),
        (tree(labels=[1, 10]), "'labels' must be"),
        (tree(labels=[1, True]), "'labels' must be"),
        (tree(data=np.zeros((2, 3072), np.int16)), "'data' must be an array of n x 3072 bytes"),
        (tree(data=np.zeros((2, 3071), np.uint8)), "'data' must be"),
        (tree(data=None), "'data' must be"),
        (pickle.dumps([1], 2), "holds no dict"),
        (b"", "is damaged at byte 0"),
    ],
)
def test_a_damaged_pickle_names_the_byte_or_the_entry(tmp_path, written, message):
    (write_python(tmp_path, "cifar10") / "test_batch").write_bytes(written)
    with pytest.raises(UserError, match=rf"test_batch.*{message}"):
        create_dataset(config(tmp_path), "val", seed=0)


def test_names_that_are_not_distinct_are_refused(tmp_path):
    folder = write_binary(tmp_path, "cifar10")
    (folder / "batches.meta.txt").write_text("cat\ncat\n")
    with pytest.raises(UserError, match=r"batches\.meta\.txt is damaged.*distinct"):
        create_dataset(config(tmp_path), "val", seed=0)


def test_the_binary_form_is_taken_where_both_are_there(tmp_path, caplog):
    write_binary(tmp_path, "cifar10")
    write_python(tmp_path, "cifar10")
    data = create_dataset(config(tmp_path), "val", seed=0)
    assert "cifar-10-batches-bin" in data.names[0]
    assert "4 images, not the 10000 that are published" in caplog.text

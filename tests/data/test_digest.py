"""The digest of a data set says what it is: the same wherever it lies, another for other data."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import unicodedata

import numpy as np
import pytest
from coco_files import annotation, coco_tree, detection_config, write_split
from image_files import encode, folder_config, make_folder, pattern

from acmix.data import create_dataset, prepare_mindrecord
from acmix.data.digest import digest_of

PARTS = {"images", "content", "classes", "labels", "preprocess"}


def digest(config, split="train", **sharding):
    return create_dataset(config, split, seed=sharding.pop("seed", 0), **sharding).digest()


def differing(one, other):
    return {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}


@pytest.fixture
def folder(tmp_path):
    return make_folder(tmp_path / "images", {"ant": 3, "bée": 3})


@pytest.fixture
def coco_root(tmp_path):
    boxes = [annotation(i, (2, 3, 12, 9), 7) for i in (1, 2)]
    for split in ("train2017", "val2017"):
        write_split(tmp_path / "coco", coco_tree({1: (24, 24), 2: (30, 20)}, boxes), split)
    return tmp_path / "coco"


def test_it_is_the_same_elsewhere_later_and_for_every_shard_and_seed(folder, tmp_path):
    shutil.copytree(folder, tmp_path / "elsewhere")
    os.utime(tmp_path / "elsewhere/train/ant/0.png", (0, 0))
    first = digest(folder_config(folder))
    assert first.keys() == PARTS
    assert digest(folder_config(tmp_path / "elsewhere", batch_size=1), seed=7) == first
    assert digest(folder_config(folder, on_corrupt="skip"), num_shards=2, shard_id=1) == first


def test_a_mindrecord_copy_has_the_digest_of_its_folder(folder, coco_root, tmp_path):
    for config, root in ((folder_config, folder), (detection_config, coco_root)):
        copy = tmp_path / f"copy of {root.name}"
        prepare_mindrecord(config(root), copy)
        for split in ("train", "val"):
            assert digest(config(copy), split) == digest(config(root), split)


def test_it_is_the_same_in_another_process(folder):
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from image_files import folder_config; from acmix.data import create_dataset\n"
        "print(create_dataset(folder_config(sys.argv[2]), 'train', seed=0).digest())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, os.path.dirname(__file__), str(folder)],
        capture_output=True, text=True, env=os.environ | {"PYTHONHASHSEED": "5"},
    )  # fmt: skip
    assert done.stdout.strip() == str(digest(folder_config(folder))), done.stderr


CHANGES = {
    "another image under the name": (
        lambda root: (root / "train/ant/0.png").write_bytes(encode(pattern(10, 12, seed=99))),
        {"content"},
    ),
    "another name": (
        lambda root: (root / "train/ant/2.png").rename(root / "train/ant/3.png"), {"images"},
    ),
    "an image less": (
        lambda root: (root / "train/ant/2.png").unlink(), {"images", "content", "labels"},
    ),
    "a class renamed": (
        lambda root: [(root / s / "ant").rename(root / s / "asp") for s in ("train", "val")],
        {"images", "classes"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_it_tells_what_has_changed(folder, change):
    act, parts = CHANGES[change]
    before = digest(folder_config(folder))
    act(folder)
    assert differing(before, digest(folder_config(folder))) == parts


def test_mean_and_image_size_are_part_of_it_and_augmentation_is_not(folder):
    first = digest(folder_config(folder))
    for change in ({"mean": (0.5, 0.5, 0.5)}, {"image_size": 9}, {"crop_pct": 1.0}):
        assert differing(first, digest(folder_config(folder, **change))) == {"preprocess"}
    assert digest(folder_config(folder, hflip=0.1, num_workers=2)) == first


def test_unchecked_files_are_not_read_and_their_content_is_no_part(folder):
    checked, unchecked = (
        digest(folder_config(folder, on_corrupt=way)) for way in ("refuse", "unchecked")
    )
    assert differing(checked, unchecked) == {"content"}
    assert "content" not in unchecked


def test_boxes_ids_and_names_of_categories_are_part_of_that_of_detection(coco_root):
    def changed(**changes):
        tree = coco_tree(
            {1: (24, 24), 2: (30, 20)}, [annotation(i, (2, 3, 12, 9), 7) for i in (1, 2)]
        )
        return write_split(coco_root, tree | changes, "val2017", images=False)

    first = digest(detection_config(coco_root), "val")
    assert first.keys() == PARTS
    moved = [annotation(1, (2, 3, 12, 8), 7), annotation(2, (2, 3, 12, 9), 7)]
    changed(annotations=[{"id": 1} | one for one in moved])
    assert differing(first, digest(detection_config(coco_root), "val")) == {"labels"}
    changed(categories=[{"id": 7, "name": "cat"}, {"id": 4, "name": "dog"}])
    assert differing(first, digest(detection_config(coco_root), "val")) == {"classes"}


def test_both_forms_of_a_name_are_equal_and_bytes_that_are_no_text_are_taken():
    for text in ("café", ["café", 1]):
        other = unicodedata.normalize("NFD", text) if isinstance(text, str) else ["café", 1]
        assert digest_of([text]) == digest_of([other])
    assert digest_of([os.fsdecode(b"\xb9")]) != digest_of([os.fsdecode(b"\xb8")])
    assert digest_of(["a", "b"]) != digest_of(["ab"]) != digest_of(["a\nb"])
    assert digest_of(np.arange(3).tolist()) == digest_of([0, 1, 2])

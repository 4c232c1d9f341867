"""MindRecord in place of an image folder: the same batches, and nothing half-written."""

import json
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
import pytest
from coco_files import annotation, coco_tree, detection_config, write_split
from image_files import encode, folder_config, make_folder, pattern

from acmix.cli import main
from acmix.data import create_dataset, mindrecord, prepare_mindrecord
from acmix.data.image_folder import image_folder
from acmix.data.mindrecord_copy import read_image_folder
from acmix.errors import UserError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_folder(tmp_path_factory.mktemp("images"), {"ant": 7, "bée": 6})


@pytest.fixture(scope="module")
def prepared(folder):
    target = folder.with_name("prepared")
    assert prepare_mindrecord(folder_config(folder), target) == {"train": 13, "val": 13}
    return target


@pytest.fixture
def copied(prepared, tmp_path):
    """The folder at another place, where files can be replaced."""
    target = tmp_path / "copy"
    target.mkdir()
    for file in prepared.iterdir():
        os.link(file, target / file.name)
    return target


def replace(file, content):
    file.unlink()
    file.write_bytes(content)


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("shard", [0, 1])
def test_batches_are_those_of_the_folder_bit_by_bit(folder, prepared, split, shard):
    def batches(root):
        config = folder_config(root, rand_augment=5.0, random_erasing=0.5, mixup=0.8, num_workers=2)
        data = create_dataset(config, split, seed=3, num_shards=2, shard_id=shard)
        assert data.classes == ("ant", "bée")
        return [batch for k in (0, 1) for batch in data.epoch(k, skip_batches=1)]

    ours, theirs = batches(prepared), batches(folder)
    assert len(ours) == len(theirs) > 2
    for batch, expected in zip(ours, theirs, strict=True):
        for array, original in zip(batch, expected, strict=True):
            np.testing.assert_array_equal(array, original, strict=True)


def test_any_record_is_read_by_its_index_from_several_threads(folder, prepared, rng):
    files, records = image_folder(folder, "train"), read_image_folder(prepared, "train")
    assert records.labels == files.labels
    order = rng.integers(len(files), size=300).tolist()
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(records.read, order)) == [files.read(i) for i in order]


def test_an_image_under_another_name_than_listed_is_not_taken_for_it(copied):
    names = [f"train/ant/{i}.png" for i in (0, 2, 1, 3, 4, 5, 6)]
    rewrite(copied, names=[*names, *(f"train/bée/{i}.png" for i in range(6))])
    read = read_image_folder(copied, "train").read
    assert read(3)
    with pytest.raises(OSError, match=r"record 1 is train/ant/1\.png"):
        read(1)


def test_labels_and_names_are_known_without_reading_the_images(prepared, monkeypatch):
    read = []
    monkeypatch.setattr(
        mindrecord.MindRecordImages, "__call__", lambda self, index: read.append(index)
    )
    assert len(read_image_folder(prepared, "train").labels) == 13
    assert read == [0]


def test_a_record_says_what_file_it_was(prepared):
    names = read_image_folder(prepared, "train").names
    assert names[0] == f"train/ant/0.png in {prepared / 'train.mindrecord'}"


def test_a_corrupt_image_is_kept_and_treated_as_configured(tmp_path):
    root = make_folder(tmp_path / "images")
    (root / "train" / "ant" / "2.png").write_bytes(b"no image")
    prepare_mindrecord(folder_config(root), tmp_path / "prepared")
    config = folder_config(tmp_path / "prepared", on_corrupt="skip")
    data = create_dataset(config, "train", seed=0)
    assert data.num_samples == 8
    assert "train/ant/2.png" in data.corrupt[0]
    with pytest.raises(UserError, match=r"train/ant/2\.png"):
        create_dataset(folder_config(tmp_path / "prepared"), "train", seed=0)


def test_a_folder_without_val_is_prepared_without_it(tmp_path):
    root = make_folder(tmp_path / "images", splits=("train",))
    assert prepare_mindrecord(folder_config(root), tmp_path / "new") == {"train": 9}
    with pytest.raises(UserError, match=r"val\.json is damaged or missing"):
        read_image_folder(tmp_path / "new", "val")


def test_what_exists_is_never_overwritten(folder, tmp_path):
    (tmp_path / "full").mkdir()
    with pytest.raises(UserError, match="already exists"):
        prepare_mindrecord(folder_config(folder), tmp_path / "full")


@pytest.mark.parametrize("failure", ["disk", "image", "ctrl-c"])
def test_a_failure_leaves_nothing_behind(folder, tmp_path, monkeypatch, failure):
    def fail(samples, index):
        if index < 5:
            return record(samples, index)
        if failure == "disk":
            raise RuntimeError("Failed to write, disk is full.\n\n----\nC++ call stack")
        if failure == "image":
            raise UserError("image 5 is too large")
        raise KeyboardInterrupt

    record = mindrecord._record
    monkeypatch.setattr(mindrecord, "_record", fail)
    expected, message = {
        "disk": (UserError, "disk is full"),
        "image": (UserError, "image 5"),
        "ctrl-c": (KeyboardInterrupt, None),
    }[failure]
    with pytest.raises(expected, match=message):
        prepare_mindrecord(folder_config(folder), tmp_path / "target")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("size", "limit"), [(0, "1 to"), (50, "1 to 49")])
def test_an_image_that_is_empty_or_larger_than_a_page_is_named(tmp_path, monkeypatch, size, limit):
    root = make_folder(tmp_path / "images")
    (root / "train" / "bee" / "1.png").write_bytes(b"x" * size)
    monkeypatch.setattr(mindrecord, "_PAGE_BYTES", 50 if size else 2**20)
    if size:
        for file in root.rglob("*.png"):
            if file.parts[-3:] != ("train", "bee", "1.png"):
                file.write_bytes(b"x")
    with pytest.raises(UserError, match=rf"bee/1\.png has {size} bytes.*{limit}"):
        prepare_mindrecord(folder_config(root), tmp_path / "new")


def test_images_that_do_not_share_a_page_are_read_whole(tmp_path):
    root = make_folder(tmp_path / "images", {"ant": 2, "bee": 1}, splits=("train",))
    encoded = [bytes([i]) * 17 * 2**20 + bytes(9) for i in range(2)]  # zeros at the end, too
    for i in range(2):
        (root / "train" / "ant" / f"{i}.png").write_bytes(encoded[i])
    prepare_mindrecord(folder_config(root), tmp_path / "new")
    read = read_image_folder(tmp_path / "new", "train").read
    assert [read(i) == encoded[i] for i in (1, 0)] == [True, True]
    assert len(read(2)) < 10_000


def test_data_sets_without_files_and_those_prepared_are_refused(prepared):
    with pytest.raises(UserError, match="has no image files"):
        prepare_mindrecord(folder_config(None, name="digits"), "nowhere")
    with pytest.raises(UserError, match="in MindRecord already"):
        prepare_mindrecord(folder_config(prepared), "nowhere")


SIZES = {5: (30, 20), 2: (20, 30), 9: (24, 24)}


@pytest.fixture
def coco_root(tmp_path):
    boxes = [annotation(i, (2, 3, 12, 9), 7) for i in SIZES]
    for split in ("train2017", "val2017"):
        write_split(tmp_path / "coco", coco_tree(SIZES, boxes), split)
    return tmp_path / "coco"


@pytest.mark.parametrize("split", ["train", "val"])
def test_batches_of_coco_are_those_of_its_folder_bit_by_bit(coco_root, tmp_path, split):
    counts = prepare_mindrecord(detection_config(coco_root), tmp_path / "new")
    assert counts == {"train2017": 3, "val2017": 3}
    ours, theirs = (
        create_dataset(detection_config(root), split, seed=1)
        for root in (tmp_path / "new", coco_root)
    )
    assert len(ours) == len(theirs)
    for batch, expected in zip(ours.epoch(1), theirs.epoch(1), strict=True):
        for array, original in zip(batch, expected, strict=True):
            np.testing.assert_array_equal(array, original, strict=True)
    assert ours.ground_truth.dataset == theirs.ground_truth.dataset


def test_annotations_of_other_images_than_those_in_the_file_are_refused(coco_root, tmp_path):
    (coco_root / "annotations" / "instances_val2017.json").unlink()
    root = tmp_path / "new"
    assert prepare_mindrecord(detection_config(coco_root), root) == {"train2017": 3}
    write_split(root, coco_tree({5: (30, 20)}, []), images=False)
    with pytest.raises(UserError, match="has 3 images, but 1 are listed"):
        create_dataset(detection_config(root), "train", seed=0)


DAMAGES = {
    "no list": lambda root: (root / "train.json").unlink(),
    "no JSON": lambda root: replace(root / "train.json", b"{"),
    "another JSON": lambda root: replace(root / "train.json", b"[1]"),
    "classes that are no names": lambda root: rewrite(root, classes=[1, 2]),
    "a class less": lambda root: rewrite(root, classes=["ant"]),
    "a label less": lambda root: rewrite(root, labels=[0]),
    "an image less": lambda root: rewrite(root, labels=[0], names=["train/ant/0.png"]),
    "other images": lambda root: rewrite(root, names=["train/ant/0.jpg"] * 13),
    "no index": lambda root: (root / "train.mindrecord.db").unlink(),
    "no records": lambda root: (root / "train.mindrecord").unlink(),
    "records cut short": lambda root: replace(root / "train.mindrecord", bytes(100)),
    "index overwritten": lambda root: replace(root / "train.mindrecord.db", bytes(100)),
}


def change_index(statement):
    def change(root):
        file = root / "train.mindrecord.db"
        replace(file, file.read_bytes())
        with closing(sqlite3.connect(file)) as index:
            index.execute(statement)
            index.commit()

    return change


# Each of the first three ended the process in MindSpore's reader.
DAMAGES |= {
    statement: change_index(statement)
    for statement in (
        "UPDATE INDEXES SET ROW_ID = 99 WHERE ROW_ID = 1",
        "UPDATE INDEXES SET ROW_ID = -1 WHERE ROW_ID = 1",
        "UPDATE INDEXES SET ROW_ID = 'abc' WHERE ROW_ID = 1",
        "UPDATE INDEXES SET PAGE_ID_BLOB = -1",
        "UPDATE INDEXES SET PAGE_OFFSET_BLOB = PAGE_OFFSET_BLOB_END + 1",
        "UPDATE INDEXES SET PAGE_OFFSET_BLOB_END = 9223372036854775807",
        "UPDATE INDEXES SET PAGE_OFFSET_BLOB = 0.5",
        "UPDATE SHARD_NAME SET NAME = '/etc/passwd'",
        "ALTER TABLE INDEXES RENAME TO OTHERS",
        "DELETE FROM INDEXES WHERE ROW_ID = 12",
    )
}


def rewrite(root, **changes):
    file = root / "train.json"
    replace(file, json.dumps(json.loads(file.read_text()) | changes).encode())


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_folder_is_refused_with_the_way_out(copied, damage):
    DAMAGES[damage](copied)
    with pytest.raises(UserError, match="acmix prepare --mindrecord"):
        read_image_folder(copied, "train")


def test_the_command_prepares_what_training_then_reads(folder, tmp_path, capsys):
    file = tmp_path / "run.yaml"
    file.write_text(f"data: {{name: image_folder, root: {folder}}}\n")
    target = str(tmp_path / "new")
    assert main(["prepare", "--mindrecord", str(file), target]) == 0
    assert f"train with data.root={target}" in capsys.readouterr().out
    assert main(["prepare", "--mindrecord", str(file), target]) == 2
    assert "already exists" in capsys.readouterr().err
    assert len(read_image_folder(target, "val")) == 13
    with pytest.raises(SystemExit):
        main(["prepare", str(file), target])
    assert encode(pattern(10, 12)) == read_image_folder(target, "train").read(0)

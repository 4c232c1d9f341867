"""What a folder holds, and what is said about one that is not right."""

from __future__ import annotations

import logging
import os
import unicodedata

import pytest
from image_files import encode, folder_config, make_folder, pattern

from acmix.data import create_dataset, prepare_mindrecord
from acmix.data.image_folder import image_folder
from acmix.errors import UserError


def test_classes_and_files_are_sorted_and_labelled(tmp_path):
    make_folder(tmp_path, {"bee": 2, "ant": 1, "Cat": 1})
    samples = image_folder(tmp_path, "train")
    assert samples.classes == ("Cat", "ant", "bee")
    assert samples.labels == (0, 1, 2, 2)
    assert [name.rsplit("/", 1)[1] for name in samples.names] == [
        "0.png",
        "0.png",
        "0.png",
        "1.png",
    ]
    assert samples.read(1) == (tmp_path / "train/ant/0.png").read_bytes()


def test_known_extensions_in_any_case_are_taken_and_the_rest_ignored(tmp_path):
    make_folder(tmp_path, {"ant": 1})
    folder = tmp_path / "train" / "ant"
    for name in ("x.JPG", "y.jpeg", "z.WebP", "w.bmp"):
        (folder / name).write_bytes(encode(pattern(4, 4)))
    for name in ("notes.txt", ".hidden.png", "Thumbs.db"):
        (folder / name).write_text("no image")
    (folder / "nested.png").mkdir()
    (tmp_path / "train" / ".cache").mkdir()
    (tmp_path / "train" / "README.md").write_text("about")
    samples = image_folder(tmp_path, "train")
    assert samples.classes == ("ant",)
    assert len(samples) == 5


def test_without_root_the_remedy_is_named():
    with pytest.raises(UserError, match=r"data\.root=/"):
        image_folder(None, "train")


def test_missing_folder(tmp_path):
    with pytest.raises(UserError, match=r"no folder .*train"):
        image_folder(tmp_path, "train")


def test_no_classes(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "loose.png").write_bytes(encode(pattern(4, 4)))
    with pytest.raises(UserError, match="no class folders"):
        image_folder(tmp_path, "train")


def test_empty_classes_are_named(tmp_path):
    make_folder(tmp_path, {"ant": 1, "bee": 0, "cat": 0})
    with pytest.raises(UserError, match="no images for 'bee', 'cat'"):
        image_folder(tmp_path, "val")


@pytest.mark.parametrize("split", ["train", "val"])
def test_class_lists_that_differ_are_shown_from_both_sides(tmp_path, split):
    make_folder(tmp_path, {"ant": 1, "bee": 1}, splits=["train"])
    make_folder(tmp_path, {"ant": 1, "cat": 1}, splits=["val"])
    with pytest.raises(UserError, match="only in train: 'bee'") as error:
        image_folder(tmp_path, split)
    if split == "val":
        assert "only in val: 'cat'" in str(error.value)


def test_long_lists_are_cut(tmp_path):
    make_folder(tmp_path, {f"c{i:02}": 0 for i in range(15)})
    with pytest.raises(UserError, match="'c09' and 5 more"):
        image_folder(tmp_path, "train")


def test_evaluation_needs_no_training_folder(tmp_path):
    make_folder(tmp_path, {"ant": 2}, splits=["val"])
    assert len(image_folder(tmp_path, "val")) == 2


# Sub-folders, and files that are not read


def add(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encode(pattern(4, 4)))


def test_images_in_sub_folders_belong_to_their_class_and_are_told_of(tmp_path, caplog):
    make_folder(tmp_path, {"ant": 1, "bee": 1})
    add(tmp_path / "train/ant", "session 2/0.png", "session 2/day/1.png")
    with caplog.at_level(logging.INFO):
        samples = image_folder(tmp_path, "train")
    assert samples.labels == (0, 0, 0, 1)
    assert samples.keys[2] == "train/ant/session 2/day/1.png"
    assert samples.names[2] == str(tmp_path / samples.keys[2])
    assert "2 of 4 images lie in sub-folders of their classes, such as ant/session 2." in (
        caplog.text
    )


def test_what_is_not_read_is_counted_and_named_in_one_line(tmp_path, caplog):
    make_folder(tmp_path, {"ant": 1, "bee": 1})
    (tmp_path / "train/ant/notes.txt").write_text("text")
    (tmp_path / "train/bee/gone.png").symlink_to("nowhere")
    (tmp_path / "train/loose.png").write_bytes(encode(pattern(4, 4)))
    (tmp_path / "train/.git").mkdir()
    image_folder(tmp_path, "train")
    (record,) = caplog.records
    assert record.getMessage() == (
        f"{tmp_path}/train: 4 files or folders are not read (1 dead link, 1 no image, 1 beside the "
        "classes, 1 hidden): bee/gone.png, ant/notes.txt, loose.png, .git."
    )


def test_tiny_imagenet_is_read_as_it_unpacks(tmp_path, caplog):
    for name in ("n01", "n02"):
        add(tmp_path / "train" / name, "images/0.JPEG", "images/1.JPEG")
        (tmp_path / "train" / name / f"{name}_boxes.txt").write_text("0 0 5 5")
    add(tmp_path / "val", "images/val_0.JPEG", "images/val_1.JPEG", "images/val_2.JPEG")
    rows = ("val_0.JPEG\tn02\t0\t0\t9\t9", "val_1.JPEG\tn01\t0\t0\t9\t9", "val_2.JPEG\tn02")
    (tmp_path / "val/val_annotations.txt").write_text("\n".join(rows) + "\n")
    train, val = (image_folder(tmp_path, split) for split in ("train", "val"))
    assert train.classes == val.classes == ("n01", "n02")
    assert train.labels == (0, 0, 1, 1)
    assert val.labels == (1, 0, 1)
    assert val.keys[0] == "val/images/val_0.JPEG"
    assert "val_annotations" not in caplog.text

    (tmp_path / "val/val_annotations.txt").write_text("\n".join(rows[:2]))
    with pytest.raises(UserError, match=r"does not list images/val_2\.JPEG\. Complete it, or"):
        image_folder(tmp_path, "val")
    (tmp_path / "val/val_annotations.txt").write_text("val_0.JPEG n02")
    with pytest.raises(UserError, match=r"line 1 is 'val_0\.JPEG n02'; it must hold a file name"):
        image_folder(tmp_path, "val")
    (tmp_path / "val/val_annotations.txt").write_text("\n".join([*rows[:2], "val_2.JPEG\tn03"]))
    with pytest.raises(UserError, match="only in val: 'n03'"):
        image_folder(tmp_path, "val")


def test_tiny_imagenet_sorted_into_classes_is_read_as_any_other(tmp_path):
    make_folder(tmp_path, {"n01": 1, "n02": 1})
    (tmp_path / "val/val_annotations.txt").write_text("left over")
    assert image_folder(tmp_path, "val").labels == (0, 1)


def test_one_class_is_told(tmp_path, caplog):
    make_folder(tmp_path, {"images": 2})
    image_folder(tmp_path, "train")
    assert "train holds one class, 'images': a class is a folder in train." in caplog.text


def test_a_folder_that_may_not_be_listed_is_one_line(tmp_path, monkeypatch):
    make_folder(tmp_path, {"ant": 1})

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(UserError, match=r"train: Permission denied\.$"):
        image_folder(tmp_path, "train")


# Names

NFC, NFD = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
TWO_FORMS = "the names of 'café' are written in two forms of Unicode that look the same"


def test_two_forms_of_a_class_in_two_splits_are_one_class_and_told(tmp_path, caplog):
    make_folder(tmp_path, {"ant": 1, NFC: 2}, splits=["train"])
    make_folder(tmp_path, {"ant": 1, NFD: 3}, splits=["val"])
    train, val = (image_folder(tmp_path, split) for split in ("train", "val"))
    assert train.classes == val.classes == ("ant", NFC)
    assert (train.labels, val.labels) == ((0, 1, 1), (0, 1, 1, 1))
    assert val.read(2) == (tmp_path / "val" / NFD / "1.png").read_bytes()
    assert TWO_FORMS in caplog.text


def test_two_forms_of_a_class_in_one_split_are_one_class_and_told(tmp_path, caplog):
    make_folder(tmp_path, {NFC: 1, NFD: 1, "zebra": 1})
    samples = image_folder(tmp_path, "train")
    assert samples.classes == (NFC, "zebra")
    assert samples.labels == (0, 0, 1)
    assert TWO_FORMS in caplog.text


def test_one_form_in_both_splits_needs_no_word(tmp_path, caplog):
    make_folder(tmp_path, {NFD: 1, "ant": 1})
    assert image_folder(tmp_path, "train").classes == ("ant", NFC)
    assert not caplog.records


@pytest.mark.parametrize("encoding", ["gbk", "latin-1", "shift_jis"])
def test_class_names_that_are_not_utf_8_are_refused_with_the_remedy(tmp_path, encoding):
    name = {"gbk": "狗", "latin-1": "café", "shift_jis": "ネコ"}[encoding].encode(encoding)
    make_folder(tmp_path, {"ant": 1, os.fsdecode(name): 1})
    with pytest.raises(UserError, match="the names of 1 class folders are not UTF-8: ") as error:
        image_folder(tmp_path, "train")
    assert "convmv -f gbk -t utf-8 -r --notest" in str(error.value)
    assert f"\\x{name[-1]:02x}" in str(error.value) or name[-1] < 0x80
    str(error.value).encode()  # can be printed


def test_file_names_that_are_not_utf_8_work_throughout(tmp_path):
    make_folder(tmp_path, {"ant": 1, "bee": 1})
    add(tmp_path / "train/ant", os.fsdecode(b"caf\xe9.png"), os.fsdecode(b"\xb9\xb7/0.png"))
    data = create_dataset(folder_config(tmp_path), "train", seed=0)
    assert data.num_samples == 4
    assert len(list(data.epoch(0))) == 2
    assert data.digest()
    with pytest.raises(UserError, match="the names of 2 image files are not UTF-8: ") as error:
        prepare_mindrecord(folder_config(tmp_path), tmp_path / "copy")
    str(error.value).encode()


@pytest.mark.parametrize("name", ["new\nline", "\x1b[31mred", "tab\t", " ", "'quoted\"", "a\\b"])
def test_names_with_control_characters_are_names(tmp_path, name):
    make_folder(tmp_path, {"ant": 1, name: 1})
    assert set(image_folder(tmp_path, "train").classes) == {"ant", name}

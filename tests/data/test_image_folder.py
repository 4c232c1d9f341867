"""What a folder holds, and what is said about one that is not right."""

from __future__ import annotations

import pytest
from image_files import encode, make_folder, pattern

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

"""Folders of images and label files: layouts, pairs, and what does not fit, by name."""

from __future__ import annotations

import logging
import unicodedata

import numpy as np
import pytest
from image_files import encode, pattern
from pair_files import CLASSES, label_map, make_pairs, pair_config, png, write_pair

from acmix.data import create_dataset
from acmix.data.label_folders import label_folders
from acmix.errors import UserError


def open_pairs(root, split="train", **changes):
    return label_folders(pair_config(root, **changes), split)


@pytest.fixture
def root(tmp_path):
    return make_pairs(tmp_path)


def test_pairs_are_found_in_sub_folders_in_order(root):
    samples = open_pairs(root)
    names = ("a/0", "a/2", "a/4", "b/1", "b/3", "b/5")
    assert samples.keys == tuple(f"images/train/{name}.png" for name in names)
    assert [key.replace("labels", "images") for key in samples.label_keys] == list(samples.keys)
    assert samples.classes.names == CLASSES
    np.testing.assert_array_equal(samples.labels(3), label_map(20, 28, seed=1))
    assert samples.read(3) == encode(pattern(20, 28, seed=1))


def test_labels_may_be_called_annotations(root):
    (root / "labels").rename(root / "annotations")
    assert open_pairs(root, "val").label_keys[0] == "annotations/val/a/0.png"


def test_ade20k_is_read_as_published(tmp_path):
    raw = np.array([[0, 1, 150, 255]] * 4, np.uint8)
    for folder, count in (("training", 2), ("validation", 1)):
        for i in range(count):
            write_pair(tmp_path, f"images/{folder}", f"annotations/{folder}", f"ADE_{i}",
                       (4, 4), values=raw)  # fmt: skip
    config = pair_config(tmp_path, name="ade20k")
    samples = label_folders(config, "val")
    assert (len(samples.classes.names), len(label_folders(config, "train"))) == (150, 2)
    assert samples.labels(0)[0].tolist() == [255, 0, 149, 255]


def test_cityscapes_is_read_as_published(tmp_path):
    for city, name in (("bonn", "bonn_1"), ("ulm", "ulm_2")):
        for folder, end, values in (
            ("leftImg8bit", "_leftImg8bit.png", None),
            ("gtFine", "_gtFine_labelTrainIds.png", np.full((4, 4), 18, np.uint8)),
            ("gtFine", "_gtFine_color.png", np.full((4, 4), 99, np.uint8)),
        ):
            path = tmp_path / folder / "train" / city / f"{name}{end}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encode(pattern(4, 4)) if values is None else png(values))
    samples = open_pairs(tmp_path, name="cityscapes")
    assert samples.label_keys == (
        "gtFine/train/bonn/bonn_1_gtFine_labelTrainIds.png",
        "gtFine/train/ulm/ulm_2_gtFine_labelTrainIds.png",
    )
    assert samples.classes.names[samples.labels(0)[0, 0]] == "bicycle"


def test_voc_reads_its_lists_and_the_indices_of_palettes(tmp_path):
    for name in ("2007_1", "2007_2", "2007_3"):
        write_pair(tmp_path, "JPEGImages", "SegmentationClass", name, (4, 4))
        file = tmp_path / f"SegmentationClass/{name}.png"
        file.write_bytes(png(np.full((4, 4), 20, np.uint8), "P"))
    (tmp_path / "SegmentationClass/2007_1.png").unlink()  # not in the list
    lists = tmp_path / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("2007_3\n2007_2\n")
    samples = open_pairs(tmp_path, name="voc")
    assert samples.keys == ("JPEGImages/2007_3.png", "JPEGImages/2007_2.png")
    assert samples.classes.names[samples.labels(0)[0, 0]] == "tvmonitor"
    with pytest.raises(UserError, match=r"val\.txt: No such file"):
        open_pairs(tmp_path, "val", name="voc")
    (lists / "val.txt").write_text("2007_2\n2007_2\n")
    with pytest.raises(UserError, match=r"val\.txt names 2007_2 twice"):
        open_pairs(tmp_path, "val", name="voc")
    (lists / "val.txt").write_text("2007_2\n2007_1\n2007_9\n")
    with pytest.raises(UserError, match=r"2 of 3 images have no label file: 2007_1, 2007_9; 1 of"):
        open_pairs(tmp_path, "val", name="voc")


def test_folders_suffixes_and_classes_may_be_named(tmp_path):
    write_pair(tmp_path, "pictures", "pictures", "x_image", (4, 4), values=pattern(4, 4))
    (tmp_path / "pictures/x_mask.png").write_bytes(png(np.full((4, 4), 9, np.uint8)))
    (tmp_path / "names.yaml").write_text("{9: road}")
    samples = open_pairs(
        tmp_path, train_images="pictures", train_labels="pictures", image_suffix="_IMAGE.png",
        label_suffix="_mask.png", class_file=str(tmp_path / "names.yaml"),
    )  # fmt: skip
    assert samples.keys == ("pictures/x_image.png",)
    assert samples.labels(0).tolist() == np.zeros((4, 4)).tolist()


def test_names_in_two_forms_of_unicode_are_a_pair(tmp_path):
    composed, decomposed = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))
    (tmp_path / "classes.txt").write_text("a")
    write_pair(tmp_path, "images/train", "elsewhere", composed, (4, 4))
    write_pair(tmp_path, "elsewhere", "labels/train", decomposed, (4, 4))
    assert open_pairs(tmp_path).label_keys == (f"labels/train/{decomposed}.png",)


@pytest.fixture
def unpaired(root):
    (root / "labels/train/a/2.png").unlink()
    (root / "images/train/b/1.png").unlink()
    (root / "images/train/b/3.png").unlink()
    return root


def test_files_without_partner_are_counted_and_named(unpaired):
    with pytest.raises(UserError) as error:
        open_pairs(unpaired, on_corrupt="unchecked")
    assert (
        "1 of 4 images have no label file: a/2.png; 2 of 5 label files have no image: b/1.png, "
        "b/3.png. Complete the folders, or remove what has no partner, or set data.on_corrupt=skip"
    ) in str(error.value)


def test_skip_leaves_files_without_partner_out(unpaired, caplog):
    with caplog.at_level(logging.WARNING):
        samples = open_pairs(unpaired, on_corrupt="skip")
    assert [key[-7:] for key in samples.keys] == ["a/0.png", "a/4.png", "b/5.png"]
    assert "1 of 4 images have no label file" in caplog.text


def test_no_more_than_ten_names_are_given(tmp_path):
    make_pairs(tmp_path, {"train": 14})
    for path in (tmp_path / "labels/train").rglob("*.png"):
        if path.stem != "0":
            path.unlink()
    with pytest.raises(UserError, match=r"13 of 14 images .* and 3 more") as error:
        open_pairs(tmp_path)
    assert str(error.value).count(".png") == 10


def test_names_that_never_match_are_shown(root):
    for path in (root / "labels/train").rglob("*.png"):
        path.rename(path.with_name(f"{path.stem}_mask.png"))
    with pytest.raises(UserError, match=r"there are a/0.png and a/0_mask.png. Set data.image_suf"):
        open_pairs(root, on_corrupt="skip")


def test_two_files_of_one_name_are_refused(root):
    (root / "images/train/a/0.jpg").write_bytes(encode(pattern(20, 28)))
    with pytest.raises(UserError, match=r"partners are not known: a/0\.jpg, a/0\.png"):
        open_pairs(root)
    assert len(open_pairs(root, image_suffix=".png")) == 6


def missing_folder(root):
    (root / "labels").rename(root / "masks")
    return {}, "there is no folder labels/train or annotations/train. Set data.root, or data.train_"


def missing_classes(root):
    (root / "classes.txt").unlink()
    return {}, "there is no list of classes. Write their names into"


def missing_files(root):
    return {"label_suffix": ".tif"}, r"holds no labels: no file ends in \.tif; there is a/0\.png"


def empty_split(root):
    for path in (root / "images/train").rglob("*.png"):
        path.unlink()
    return {}, "holds no images: no file ends in a suffix of images"


def no_root(root):
    return {"root": None}, "data.root is not set: give the folder that holds images/train and lab"


def folder_elsewhere(root):
    return {"train_images": "../pictures"}, r"data.train_images=\.\./pictures must be a folder b"


@pytest.mark.parametrize(
    "break_it",
    [missing_folder, missing_classes, missing_files, empty_split, no_root, folder_elsewhere],
)
def test_what_is_missing_is_named_with_the_remedy(root, break_it):
    changes, message = break_it(root)
    with pytest.raises(UserError, match=message):
        create_dataset(pair_config(root, **changes), "train", seed=0)


def test_what_is_not_read_is_told_of_images_and_hidden_labels_alone(root, caplog):
    (root / "images/train/notes.txt").write_text("x")
    (root / "labels/train/polygons.json").write_text("{}")
    (root / "labels/train/gone.png").symlink_to("nowhere.png")
    with caplog.at_level(logging.WARNING):
        open_pairs(root)
    assert "1 no image): notes.txt" in caplog.text
    assert "gone.png" in caplog.text
    assert "polygons" not in caplog.text

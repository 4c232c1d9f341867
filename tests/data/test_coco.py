"""What a COCO folder holds, and what is said about one that is not right."""

from __future__ import annotations

import json
import logging
import os
import unicodedata

import numpy as np
import pytest
from coco_files import CATEGORIES, annotation, coco_tree, detection_config, write_split

from acmix.data import json_file
from acmix.data.coco import coco
from acmix.errors import UserError

SIZES = {5: (30, 20), 2: (20, 30)}


def open_train(root, **changes):
    return coco(detection_config(root, **changes), "train")


def open_tree(root, *annotations, **changes):
    write_split(root, coco_tree(SIZES, annotations) | changes)
    return open_train(root)


def test_records_hold_boxes_as_corners_and_labels_in_the_order_of_category_ids(tmp_path):
    samples = open_tree(
        tmp_path,
        annotation(2, (1, 2, 3, 4), 7, area=5.5),
        annotation(5, (10, 0.5, 4, 6), 3),
        annotation(2, (0, 0, 20, 30), 3, area=300, iscrowd=1),
    )
    assert samples.categories == {3: "dog", 7: "cat"}
    assert list(samples.categories) == [3, 7]
    first, second = samples.records
    assert (first.name, first.image_id, first.width, first.height) == ("0005.png", 5, 30, 20)
    np.testing.assert_array_equal(first.boxes, [[10, 0.5, 14, 6.5]])
    assert (first.labels.tolist(), first.areas.tolist()) == ([0], [24])
    np.testing.assert_array_equal(second.boxes, [[1, 2, 4, 6], [0, 0, 20, 30]])
    assert second.labels.tolist() == [1, 0]
    assert second.areas.tolist() == [5.5, 300]
    assert second.crowd.tolist() == [False, True]
    assert samples.read(1) == (tmp_path / "train2017/0002.png").read_bytes()


def test_boxes_are_clipped_and_those_without_area_counted(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        samples = open_tree(
            tmp_path,
            annotation(5, (-4, -4, 10, 40)),
            annotation(5, (31, 0, 5, 5)),
            annotation(5, (3, 3, 0, 5)),
            annotation(5, (28, 18, 50, 50)),
        )
    np.testing.assert_array_equal(samples.records[0].boxes, [[0, 0, 6, 20], [28, 18, 30, 20]])
    assert sum("2 of 4 boxes have no area" in one.getMessage() for one in caplog.records) == 1


def test_images_without_annotations_and_with_crowds_alone_are_empty(tmp_path):
    records = open_tree(tmp_path, annotation(5, (0, 0, 9, 9), iscrowd=1)).records
    assert [record.is_empty for record in records] == [True, True]
    assert records[1].boxes.shape == (0, 4)


def test_splits_are_named_by_the_configuration(tmp_path):
    write_split(tmp_path, coco_tree({1: (8, 8)}, []), "spring")
    config = detection_config(tmp_path, val_split="spring")
    assert coco(config, "val").names == (str(tmp_path / "spring" / "0001.png"),)


def test_ground_truth_has_the_selected_images_alone_and_ids_that_cocoeval_takes(tmp_path, capsys):
    samples = open_tree(
        tmp_path,
        annotation(5, (0, 0, 9, 9), id=0),
        annotation(2, (1, 1, 5, 5), 7, id=0, area=20, iscrowd=1),
    ).select([1])
    truth = samples.ground_truth()
    assert truth.getImgIds() == [2]
    (only,) = truth.loadAnns(truth.getAnnIds())
    assert only["id"] > 0
    assert (only["bbox"], only["area"], only["iscrowd"]) == ([1, 1, 5, 5], 20, 1)
    assert sorted(truth.getCatIds()) == [3, 7]
    assert capsys.readouterr().out == ""


def test_ground_truth_fills_in_area_and_crowd(tmp_path):
    (only,) = open_tree(tmp_path, annotation(5, (0, 0, 4, 3))).ground_truth().anns.values()
    assert (only["area"], only["iscrowd"]) == (12, 0)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (annotation(9, (0, 0, 1, 1)), "image_id=9, which is not in 'images'"),
        (annotation([5], (0, 0, 1, 1)), r"image_id=\[5\], which is not in 'images'"),
        (annotation(5, (0, 0, 1, 1), 4), "category_id=4, which is not in 'categories'"),
        (annotation(5, (0, 0, float("nan"), 1)), r"bbox=\[0, 0, nan, 1\]"),
        (annotation(5, (0, 0, float("inf"), 1)), "finite"),
        (annotation(5, (0, 0, 5, -1)), r"annotations\[1\] \(id 2, image 5\).*not negative"),
        (annotation(5, (0, 0, 5)), "bbox="),
        (annotation(5, (0, 0, 5, "5")), "bbox="),
        (annotation(5, (0, 0, 5, 5), area="big"), "area='big'"),
        (annotation(5, (0, 0, 5, 5), iscrowd=None), "iscrowd=None"),
        ({"image_id": 5, "bbox": [0, 0, 1, 1]}, r"annotations\[1\] lacks 'category_id'"),
    ],
)
def test_bad_annotation_is_named(tmp_path, bad, message):
    with pytest.raises(UserError, match=message):
        open_tree(tmp_path, annotation(5, (0, 0, 1, 1)), bad)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": [{"id": 1, "file_name": "a"}]}, r"images\[0\] lacks 'width', 'height'"),
        ({"images": {}}, "no list 'images'"),
        ({"annotations": None}, "no list 'annotations'"),
        ({"categories": []}, "'categories' is empty"),
        ({"categories": [{"id": "3", "name": "dog"}]}, "whole number"),
        ({"categories": [CATEGORIES[0]] * 2}, r"categories\[1\] has the id 7"),
        ({"annotations": ["box"]}, r"annotations\[0\] lacks"),
    ],
)
def test_malformed_file_is_named(tmp_path, changes, message):
    write_split(tmp_path, coco_tree(SIZES, []))
    write_split(tmp_path, coco_tree(SIZES, []) | changes, images=False)
    with pytest.raises(UserError, match=message) as error:
        open_train(tmp_path)
    assert "instances_train2017.json" in str(error.value)


@pytest.mark.parametrize("size", [(0, 5), (5, -5), (5.0, 5), ("5", 5)])
def test_impossible_size_is_refused(tmp_path, size):
    write_split(tmp_path, coco_tree({1: size}, []), images=False)
    with pytest.raises(UserError, match=r"images\[0\] has file_name='0001.png', width="):
        open_train(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "1" * 5000])
def test_a_file_that_is_not_json_is_refused(tmp_path, text):
    write_split(tmp_path, coco_tree(SIZES, []))
    (tmp_path / "annotations/instances_train2017.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=r"instances_train2017.json cannot be read as JSON"):
        open_train(tmp_path)


def test_json_of_another_kind_is_refused(tmp_path):
    write_split(tmp_path, coco_tree(SIZES, []))
    (tmp_path / "annotations/instances_train2017.json").write_text("[1]")
    with pytest.raises(UserError, match="not of COCO's form"):
        open_train(tmp_path)


def test_missing_root_folder_and_file_name_the_remedy(tmp_path):
    with pytest.raises(UserError, match=r"data\.root=/data/coco"):
        open_train(None)
    with pytest.raises(UserError, match=r"data\.root=.*nowhere is no folder"):
        open_train(tmp_path / "nowhere")
    write_split(tmp_path, coco_tree(SIZES, []), "val2017")
    with pytest.raises(UserError, match=r"train2017.json; set .*: instances_val2017.json") as error:
        open_train(tmp_path)
    assert "data.train_split" in str(error.value)


def test_missing_images_are_counted_and_the_first_named(tmp_path):
    sizes = {i: (8, 8) for i in range(1, 10)}
    write_split(tmp_path, coco_tree(sizes, []))
    for i in range(2, 10):
        (tmp_path / f"train2017/{i:04}.png").unlink()
    with pytest.raises(UserError, match=r"8 of 9 images .*: 0002.png, .* and 3 more") as error:
        open_train(tmp_path)
    assert "0007.png" not in str(error.value)


def test_missing_image_folder(tmp_path):
    write_split(tmp_path, coco_tree(SIZES, []), images=False)
    with pytest.raises(UserError, match="2 of 2 images"):
        open_train(tmp_path)


def test_images_may_lie_in_sub_folders_but_not_outside(tmp_path):
    tree = coco_tree({1: (8, 8)}, [])
    (tmp_path / "train2017/deep").mkdir(parents=True)
    tree["images"][0]["file_name"] = "deep/1.png"
    write_split(tmp_path, tree)
    assert len(open_train(tmp_path)) == 1
    for name in ("../1.png", "/etc/passwd"):
        tree["images"][0]["file_name"] = name
        write_split(tmp_path, tree, images=False)
        with pytest.raises(UserError, match="must be relative"):
            open_train(tmp_path)


@pytest.mark.parametrize(
    "categories", [CATEGORIES[:1], [{"id": 7, "name": "cat"}, {"id": 3, "name": "fox"}]]
)
def test_train_and_val_must_have_the_same_categories(tmp_path, categories):
    write_split(tmp_path, coco_tree({1: (8, 8)}, []))
    write_split(tmp_path, coco_tree({1: (8, 8)}, [], categories), "val2017")
    with pytest.raises(UserError, match=r"same categories.* 3 is 'dog' in instances_train2017"):
        open_train(tmp_path)


def test_order_of_categories_in_the_files_does_not_matter(tmp_path):
    write_split(tmp_path, coco_tree({1: (8, 8)}, []))
    write_split(tmp_path, coco_tree({1: (8, 8)}, [], CATEGORIES[::-1]), "val2017")
    assert coco(detection_config(tmp_path), "val").categories == open_train(tmp_path).categories


def test_annotations_are_read_again_for_the_ground_truth(tmp_path):
    samples = open_tree(tmp_path, annotation(5, (0, 0, 4, 3)))
    file = tmp_path / "annotations/instances_train2017.json"
    tree = json.loads(file.read_text())
    tree["annotations"][0]["bbox"] = [0, 0, 2, 2]
    file.write_text(json.dumps(tree))
    (only,) = samples.ground_truth().anns.values()
    assert only["bbox"] == [0, 0, 2, 2]


def test_ground_truth_has_the_boxes_of_the_records_and_no_other(tmp_path):
    """What the log calls left out is in no number, and a box is cut wherever it is used."""
    samples = open_tree(
        tmp_path,
        annotation(5, (-4, -4, 10, 40)),
        annotation(5, (31, 0, 5, 5)),
        annotation(5, (3, 3, 0, 5)),
        annotation(2, (0.1, 0.2, 3.3, 4.4), area=7),
    )
    boxes = [one["bbox"] for one in samples.ground_truth().anns.values()]
    assert boxes == [[0, 0, 6, 20], [0.1, 0.2, 3.3, 4.4]]
    assert [one["area"] for one in samples.ground_truth().anns.values()] == [120, 7]
    corners = np.concatenate([record.boxes for record in samples.records])
    sides = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    np.testing.assert_allclose(sides, boxes)


# Categories


def test_categories_without_objects_are_told_once(tmp_path, caplog):
    root = {"id": 0, "name": "animals", "supercategory": "none"}
    tree = coco_tree(SIZES, [annotation(5, (0, 0, 9, 9), 3), annotation(5, (0, 0, 9, 9), 7)])
    tree["categories"] = [root, *CATEGORIES]
    write_split(tmp_path, tree, "val2017")
    write_split(tmp_path, tree)
    samples = open_train(tmp_path)
    coco(detection_config(tmp_path), "val")
    assert list(samples.categories.values()) == ["animals", "dog", "cat"]
    (record,) = caplog.records
    assert "1 of 3 categories have no objects: 'animals' (id 0)." in record.getMessage()


def test_categories_of_one_name_stay_two_and_get_their_ids(tmp_path):
    categories = [{"id": 3, "name": "cat"}, {"id": 7, "name": "cat"}, {"id": 9, "name": "dog"}]
    samples = open_tree(tmp_path, annotation(5, (0, 0, 1, 1)), categories=categories)
    assert samples.categories == {3: "cat (id 3)", 7: "cat (id 7)", 9: "dog"}


def test_two_forms_of_a_category_are_one_and_told(tmp_path, caplog):
    boxes = [annotation(5, (0, 0, 9, 9), 3)]
    for split, form in (("val2017", "NFD"), ("train2017", "NFC")):
        category = {"id": 3, "name": unicodedata.normalize(form, "café")}
        write_split(tmp_path, coco_tree(SIZES, boxes, [category]), split)
    assert open_train(tmp_path).categories == {3: "café"}
    assert "the names of 'café' are written in two forms of Unicode" in caplog.text


def test_a_category_that_is_no_text_is_refused(tmp_path):
    write_split(tmp_path, coco_tree(SIZES, [], [{"id": 3, "name": "\ud800"}]))
    with pytest.raises(UserError, match=r"names of 1 categories are not UTF-8: '\\ud800'"):
        open_train(tmp_path)


# Ids


@pytest.mark.parametrize("ids", [(1.5, 2), (True, 2), (None, 2), (2**53, 2), ("a", 2), (-1, [])])
def test_ids_of_images_are_whole_numbers_or_all_strings(tmp_path, ids):
    tree = coco_tree(SIZES, [])
    for image, new in zip(tree["images"], ids, strict=True):
        image["id"] = new
    write_split(tmp_path, coco_tree(SIZES, []))
    write_split(tmp_path, tree, images=False)
    with pytest.raises(UserError, match=r"train2017\.json: (the ids of images|images\[1\])"):
        open_train(tmp_path)


def test_a_repeated_id_and_a_missing_one_are_refused(tmp_path):
    tree = coco_tree(SIZES, [])
    tree["images"][1]["id"] = tree["images"][0]["id"]
    write_split(tmp_path, coco_tree(SIZES, []))
    write_split(tmp_path, tree, images=False)
    with pytest.raises(UserError, match=r"images\[1\] has the id 5; it must be"):
        open_train(tmp_path)
    del tree["images"][1]["id"]
    write_split(tmp_path, tree, images=False)
    with pytest.raises(UserError, match=r"images\[1\] lacks 'id'"):
        open_train(tmp_path)


# Encodings of the file


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_all_encodings_of_unicode_are_read(tmp_path, encoding):
    rewrite_train(tmp_path, "狗".encode(encoding), encoding)
    assert open_train(tmp_path).categories == {3: "狗"}


@pytest.mark.parametrize(
    ("name", "encoding", "guess"),
    [
        ("狗", "gbk", "it may be gbk, as a Chinese Windows writes it"),
        ("café", "cp1252", "it may be cp1252, as a Western European Windows writes it"),
    ],
)
def test_a_file_in_another_encoding_is_told_with_the_way_to_convert_it(
    tmp_path, name, encoding, guess
):
    rewrite_train(tmp_path, name.encode(encoding), encoding)
    with pytest.raises(UserError, match=r"train2017\.json is not UTF-8: byte 0x\w\w at") as error:
        open_train(tmp_path)
    assert guess in str(error.value)
    assert f"'iconv -f {encoding} -t utf-8 OLD > NEW'" in str(error.value)


def rewrite_train(root, name, encoding):
    """Write the annotations in an encoding, with the one category's name as these bytes."""
    write_split(root, coco_tree(SIZES, [annotation(5, (0, 0, 9, 9))], [{"id": 3, "name": "X"}]))
    file = root / "annotations/instances_train2017.json"
    head, tail = file.read_text().split('"X"')
    if encoding in ("utf-8-sig", "utf-16", "utf-32"):  # with a byte order mark
        text = f'{head}"{name.decode(encoding)}"{tail}'
        file.write_bytes(text.encode(encoding))
    else:
        around = [(head + '"').encode(encoding), ('"' + tail).encode(encoding)]
        file.write_bytes(name.join(around))


@pytest.mark.parametrize("kind", ["pipe", "device", "large"])
def test_annotations_that_are_no_file_or_too_large_are_refused(tmp_path, monkeypatch, kind):
    write_split(tmp_path, coco_tree(SIZES, []))
    file = tmp_path / "annotations/instances_train2017.json"
    if kind == "large":
        monkeypatch.setattr(json_file, "MAX_BYTES", 10)
    else:
        file.unlink()
        os.mkfifo(file) if kind == "pipe" else file.symlink_to("/dev/zero")
    with pytest.raises(UserError, match=r"json (is no regular file|has \d+ bytes, more than 10)"):
        open_train(tmp_path)

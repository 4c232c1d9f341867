"""Records with the masks of COCO's annotations."""

import numpy as np
import pytest
from coco_files import annotation, coco_tree

from acmix.data.coco_form import read_records
from acmix.data.digest import digest_of
from acmix.data.shapes import shapes
from acmix.errors import UserError

SIZES = {1: (64, 48), 2: (48, 64), 3: (40, 40)}


def square(x, y, side=10, image=1, **further):
    polygon = [x, y, x + side, y, x + side, y + side, x, y + side]
    return annotation(image, (x, y, side, side), **{"segmentation": [polygon]} | further)


def test_each_record_has_the_masks_of_its_boxes_in_their_order():
    objects = [square(5, 6), square(3, 4, image=2), square(20, 30, side=12), square(-4, 8)]
    first, second, third = read_records(coco_tree(SIZES, objects), "a.json", masks=True)
    assert (first.masks.height, first.masks.width) == (48, 64)
    np.testing.assert_array_equal(first.masks.boxes(), first.boxes)
    np.testing.assert_array_equal(second.masks.boxes(), second.boxes)
    assert len(third.masks) == len(third.boxes) == 0


def test_boxes_alone_need_no_masks():
    tree = coco_tree(SIZES, [annotation(1, (5, 6, 20, 15)), square(1, 1, segmentation="none")])
    records = read_records(tree, "a.json")
    assert [record.masks for record in records] == [None] * 3
    assert len(records[0].boxes) == 2


def test_objects_without_a_pixel_are_left_out_and_counted(caplog):
    objects = [
        square(5, 6),
        square(8, 9, segmentation=[]),
        square(9, 9, segmentation=[[1, 2, 3, 4]]),
    ]
    with caplog.at_level("WARNING"):
        records = read_records(coco_tree(SIZES, objects), "a.json", masks=True)
    assert "a.json: 2 objects have masks without a pixel" in caplog.text
    np.testing.assert_array_equal(records[0].boxes, [[5, 6, 15, 16]])
    assert len(records[0].masks) == len(records[0].labels) == len(records[0].areas) == 1


def test_a_box_outside_of_its_image_has_no_mask_either():
    objects = [square(70, 6), square(5, 6)]
    (record, *_) = read_records(coco_tree(SIZES, objects), "a.json", masks=True)
    np.testing.assert_array_equal(record.masks.boxes(), [[5, 6, 15, 16]])


def test_crowds_have_masks_of_runs():
    runs = {"size": [40, 40], "counts": [400, 800, 400]}
    crowd = annotation(3, (10, 0, 20, 40), segmentation=runs, iscrowd=1)
    record = read_records(coco_tree(SIZES, [crowd]), "a.json", masks=True)[2]
    assert record.crowd.tolist() == [True]
    np.testing.assert_array_equal(record.masks.boxes(), [[10, 0, 30, 40]])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"segmentation": None}, "has segmentation=None; it must be a list of polygons"),
        ({"segmentation": [[1, 2, 3]]}, r"polygon 0 of its segmentation is \[1, 2, 3\]"),
        ({"segmentation": {"size": [64, 48], "counts": [48 * 64]}}, "of its image, .48, 64."),
    ],
)
def test_a_wrong_mask_is_refused_by_file_annotation_and_image(wrong, message):
    tree = coco_tree(SIZES, [square(5, 6), square(8, 9, **wrong)])
    with pytest.raises(UserError, match=message) as caught:
        read_records(tree, "a.json", masks=True)
    assert str(caught.value).startswith("a.json: annotations[1] (id 2, image 1)")


def test_a_data_set_with_other_masks_is_another():
    def digest(*objects, masks=True):
        records = read_records(coco_tree(SIZES, list(objects)), "a.json", masks=masks)
        return digest_of(record.to_list() for record in records)

    triangle = square(5, 6, segmentation=[[5, 6, 15, 6, 5, 16]])
    assert digest(square(5, 6)) != digest(triangle)
    assert digest(square(5, 6), masks=False) == digest(triangle, masks=False)


def test_masks_of_the_shapes_do_not_overlap_and_lie_in_their_boxes():
    samples = shapes("val")
    for record in read_records(samples.tree(), "shapes", masks=True)[:20]:
        assert np.stack(list(record.masks)).sum(0).max() == 1
        np.testing.assert_array_equal(record.masks.areas(), record.areas)
        np.testing.assert_array_equal(record.masks.boxes(), record.boxes)

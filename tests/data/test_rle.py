"""COCO's three forms of a segmentation, well formed and not, against pycocotools."""

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from acmix.data import rle
from acmix.data.samples import Split
from acmix.data.shapes import shapes
from acmix.errors import UserError

HEIGHT, WIDTH = 10, 12
NAME = "a.json: annotations[3] (id 4, image 7)"


def bitmap(segmentation, height=HEIGHT, width=WIDTH):
    counts = rle.read_segmentation(segmentation, height, width, NAME)
    return rle.decode(counts, height, width)


def rectangle(x1, y1, x2, y2):
    return [x1, y1, x2, y1, x2, y2, x1, y2]


def expected(*boxes):
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    for x1, y1, x2, y2 in boxes:
        mask[y1:y2, x1:x2] = 1
    return mask


def in_runs(mask):
    """Return the lengths of the runs of zeros and ones, column by column, zeros first."""
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flat]))).tolist()
    return np.diff([0, *edges, flat.size]).tolist()


@pytest.mark.parametrize("box", [(2, 3, 7, 9), (0, 0, 12, 10), (11, 9, 12, 10)])
def test_a_polygon_along_pixel_borders_covers_exactly_its_pixels(box):
    np.testing.assert_array_equal(bitmap([rectangle(*box)]), expected(box))


def test_several_polygons_are_their_union_and_not_their_difference():
    boxes = (1, 1, 6, 6), (4, 4, 9, 8), (10, 0, 12, 2)
    np.testing.assert_array_equal(bitmap([rectangle(*box) for box in boxes]), expected(*boxes))


def test_a_polygon_is_cut_at_the_borders_of_the_image():
    np.testing.assert_array_equal(bitmap([rectangle(-4, 2, 4, 6)]), expected((0, 2, 4, 6)))
    np.testing.assert_array_equal(bitmap([rectangle(-1e4, -1e4, 1e4, 1e4)]), 1)


def test_any_polygon_equals_pycocotools():
    rng = np.random.default_rng(0)
    for _ in range(50):
        polygons = [rng.uniform(-5, 30, 2 * n).round(2).tolist() for n in rng.integers(3, 9, 2)]
        theirs = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(polygons, 20, 25)))
        np.testing.assert_array_equal(bitmap(polygons, 20, 25), theirs)


def ring():
    mask = expected((1, 1, 9, 9))
    mask[3:6, 3:6] = 0
    return mask


@pytest.mark.parametrize("mask", [ring(), expected(), expected((0, 0, 12, 10))])
def test_runs_keep_holes_compressed_or_not(mask):
    runs = {"size": [HEIGHT, WIDTH], "counts": in_runs(mask)}
    np.testing.assert_array_equal(bitmap(runs), mask)
    compressed = coco_mask.encode(np.asfortranarray(mask))
    np.testing.assert_array_equal(bitmap(compressed), mask)
    np.testing.assert_array_equal(bitmap(rle.to_json(compressed["counts"], HEIGHT, WIDTH)), mask)


def test_encoded_masks_are_those_of_pycocotools_and_return():
    rng = np.random.default_rng(1)
    for density in (0.0, 0.02, 0.5, 1.0):
        mask = (rng.random((40, 30)) < density).astype(np.uint8)
        counts = rle.encode(mask)
        assert counts == coco_mask.encode(np.asfortranarray(mask))["counts"]
        assert rle.read_segmentation(rle.to_json(counts, 40, 30), 40, 30, NAME) == counts
        np.testing.assert_array_equal(rle.decode(counts, 40, 30), mask)


def test_long_runs_take_several_characters():
    height, width = 5000, 6001
    counts = rle.encode(np.zeros((height, width)))
    assert rle.read_segmentation(rle.to_json(counts, height, width), height, width, NAME) == counts
    runs = {"size": [height, width], "counts": [7, 29_000_000, 3, 1_004_990]}
    counts = rle.read_segmentation(runs, height, width, NAME)
    again = rle.read_segmentation(rle.to_json(counts, height, width), height, width, NAME)
    assert coco_mask.area({"size": [height, width], "counts": again}) == 29_000_000 + 1_004_990


@pytest.mark.parametrize("split", ["train", "val"])
def test_the_shapes_have_masks_in_their_boxes(split: Split):
    samples = shapes(split)
    tree, sizes = samples.tree(), {r.image_id: (r.height, r.width) for r in samples.records}
    for one in tree["annotations"][:60]:
        mask = bitmap(one["segmentation"], *sizes[one["image_id"]])
        x, y, width, height = map(int, one["bbox"])
        assert mask.sum() == mask[y : y + height, x : x + width].sum() == one["area"]


EMPTY = {
    "no polygon": [],
    "a polygon without points": [[]],
    "a point": [[3, 3]],
    "two points": [[1, 1, 9, 9]],
    "points on a line": [[1, 1, 5, 1, 9, 1, 3, 1]],
    "one point three times": [[4, 4, 4, 4, 4, 4]],
    "right of the image": [rectangle(12, 2, 20, 6)],
    "above the image": [rectangle(2, -9, 6, 0)],
    "far away": [rectangle(90_000, 90_000, 90_005, 90_005)],
    "several without area": [[1, 1, 5, 5], [], [2, 2, 2, 4, 2, 8]],
}


@pytest.mark.parametrize("polygons", EMPTY.values(), ids=EMPTY)
def test_polygons_without_a_pixel_give_an_empty_mask(polygons):
    assert not bitmap(polygons).any()


@pytest.mark.parametrize("polygons", EMPTY.values(), ids=EMPTY)
def test_polygons_without_a_pixel_add_nothing_to_others(polygons):
    mask = bitmap([*polygons, rectangle(2, 3, 7, 9), *polygons])
    np.testing.assert_array_equal(mask, expected((2, 3, 7, 9)))


def run_lengths(counts, size=(HEIGHT, WIDTH)):
    return {"size": list(size), "counts": counts}


WRONG = {
    "nothing": (None, "must be a list of polygons"),
    "a number": (5, "must be a list of polygons"),
    "a text": ("d05", "must be a list of polygons"),
    "no counts": ({"size": [10, 12]}, "must be a list of polygons"),
    "no size": ({"counts": [120]}, "must be a list of polygons"),
    "one flat polygon": ([1, 1, 5, 1, 5, 5], "polygon 0 of its segmentation is 1; it must be"),
    "an odd number": ([[1, 1, 5, 1, 5, 5, 1]], "an even number of coordinates"),
    "texts": ([["1", "1", "5", "1", "5", "5"]], "an even number of coordinates"),
    "truth values": ([[True, 1, 5, 1, 5, 5]], "an even number of coordinates"),
    "nested deeper": ([[[1, 1], [5, 1], [5, 5]]], "an even number of coordinates"),
    "not a number": ([[1, 1, float("nan"), 1, 5, 5]], "has the coordinate nan"),
    "infinite": ([[1, 1, float("-inf"), 1, 5, 5]], "has the coordinate -inf"),
    "very far": ([rectangle(-1e9, 0, 1e9, 5)], "at most 100000 from the corner"),
    "huge whole number": ([[1, 1, 10**400, 1, 5, 5]], "has the coordinate 1000"),
    "other size": (run_lengths([20, 5, 95], (12, 10)), r"size=\[12, 10\]; .* \[10, 12\]"),
    "size of text": ({"size": "10x12", "counts": [120]}, "size='10x12'"),
    "too few": (run_lengths([20, 5]), "add up to 25 pixels; the image has 120"),
    "none": (run_lengths([]), "add up to 0 pixels"),
    "too many": (run_lengths([20, 5, 200]), "add up to 225 pixels"),
    "negative": (run_lengths([20, -5, 105]), "not negative"),
    "fractions": (run_lengths([20.5, 5, 94.5]), "whole numbers"),
    "too large": (run_lengths([2**70, 5]), "whole numbers"),
    "empty text": (run_lengths(""), "no compressed counts"),
    "text cut in the middle": (run_lengths("o"), "no compressed counts"),
    "text cut at a run": (run_lengths("d05"), "add up to 25 pixels"),
    "other characters": (run_lengths("hello, \u4e16"), "no compressed counts"),
    "low characters": (run_lengths("\x01\x02"), "no compressed counts"),
    "endless number": (run_lengths("o" * 40 + "1"), "no compressed counts"),
    "negative run": (run_lengths("d0On3"), "no count may be negative"),
    "counts of no form": (run_lengths(7), "must be a string, or a list"),
}  # fmt: skip


@pytest.mark.parametrize("size", [(2**20 + 1, 1), (1, 2**30), (2**16, 2**16)])
def test_images_too_large_for_pycocotools_are_refused_without_allocating_them(size):
    with pytest.raises(UserError, match=r"its image has .* Cut it into"):
        rle.read_segmentation([], *size, NAME)


def test_an_empty_mask_of_a_large_image_takes_no_bitmap():
    counts = rle.read_segmentation([[1, 2]], 2**16, 2**16 - 1, NAME)
    assert len(counts) < 10
    assert counts == rle.read_segmentation(
        rle.to_json(counts, 2**16, 2**16 - 1), 2**16, 2**16 - 1, NAME
    )


@pytest.mark.parametrize(("segmentation", "message"), WRONG.values(), ids=WRONG)
def test_what_is_no_segmentation_is_refused_by_name(segmentation, message):
    with pytest.raises(UserError, match=message) as caught:
        rle.read_segmentation(segmentation, HEIGHT, WIDTH, NAME)
    text = str(caught.value)
    assert text.startswith(NAME)
    assert len(text) < 400
    assert "\n" not in text

"""Whatever an annotation holds as its mask, it is a bitmap of its image or refused in one line."""

import numpy as np
from damages import answer_or_error
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from acmix.data import rle

HEIGHT, WIDTH = 9, 13
NUMBERS = (
    st.floats(-30, 30)
    | st.integers(-30, 30)
    | st.floats()
    | st.sampled_from([1e5, -1e5, 2**31, 2**63, 10**400, True, None, "3"])
)
POLYGONS = st.lists(st.lists(st.floats(-30, 30), max_size=12), max_size=3) | st.lists(
    st.lists(NUMBERS, max_size=9), max_size=2
)
# Counts that fill the image, and any.
FILLING = st.lists(st.integers(0, HEIGHT * WIDTH), max_size=8).map(
    lambda cuts: np.diff([0, *sorted(cuts), HEIGHT * WIDTH]).tolist()
)
TEXTS = st.text(max_size=9) | st.text(st.characters(min_codepoint=48, max_codepoint=111))
COUNTS = FILLING | st.lists(NUMBERS, max_size=5) | TEXTS | TEXTS.map(str.encode)
RUNS = st.fixed_dictionaries(
    {"size": st.just([HEIGHT, WIDTH]) | st.lists(st.integers(0, 20), max_size=3), "counts": COUNTS}
)


@given(segmentation=POLYGONS | RUNS | NUMBERS)
def test_any_segmentation_is_a_bitmap_or_a_clear_error(segmentation):
    counts, error = answer_or_error(rle.read_segmentation, segmentation, HEIGHT, WIDTH, "a.json")
    if counts is None:
        assert error.startswith("a.json")
        assert len(error) < 400
        return
    bitmap = rle.decode(counts, HEIGHT, WIDTH)
    assert bitmap.shape == (HEIGHT, WIDTH)
    assert set(np.unique(bitmap)) <= {0, 1}
    assert bitmap.sum() == coco_mask.area({"size": [HEIGHT, WIDTH], "counts": counts})


@given(runs=FILLING)
def test_counts_are_read_as_pycocotools_writes_them(runs):
    mask = coco_mask.frPyObjects({"size": [HEIGHT, WIDTH], "counts": runs}, HEIGHT, WIDTH)
    assert rle._runs(mask["counts"], "a.json").tolist() == runs
    again = rle.read_segmentation(mask, HEIGHT, WIDTH, "a.json")
    np.testing.assert_array_equal(rle.decode(again, HEIGHT, WIDTH), coco_mask.decode(mask))

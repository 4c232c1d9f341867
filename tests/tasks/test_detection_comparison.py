"""Detections of a file and of its network are compared as what was found, not place by place."""

from __future__ import annotations

import numpy as np
import pytest

from acmix.errors import UserError
from acmix.tasks import get_task

COUNT, PLACES = 60, 64


@pytest.fixture
def found(rng):
    """Sixty detections in 64 places of each of two images."""
    boxes = np.zeros((2, PLACES, 4), np.float32)
    boxes[:, :COUNT] = rng.random((2, COUNT, 4)) * 500
    scores = np.zeros((2, PLACES), np.float32)
    scores[:, :COUNT] = np.sort(rng.random((2, COUNT)))[:, ::-1]
    labels = np.full((2, PLACES), -1, np.int32)
    labels[:, :COUNT] = rng.integers(3, size=(2, COUNT))
    masks = rng.random((2, PLACES, 4, 4)).astype(np.float32)
    return boxes, scores, labels, masks


def compare(actual, expected, precision="float32"):
    return get_task("detection").compare(tuple(actual), tuple(expected), precision, "the file")


def test_another_order_of_equal_scores_is_no_difference(found):
    found[1][1, [3, 4]] = 0.5
    swapped = [part.copy() for part in found]
    for part in swapped:
        part[1, [3, 4]] = part[1, [4, 3]]
    assert compare(swapped, found) == 0


def test_the_difference_is_that_of_boxes_scores_and_masks_of_the_same(found):
    changed = [part.copy() for part in found]
    changed[0][0, 5, 2] += 0.03
    assert compare(changed, found) == pytest.approx(0.03, abs=1e-4)
    changed[3][0, 5, 2, 2] += 0.3
    with pytest.raises(UserError, match=r"the file differs from the network by 0\.3"):
        compare(changed, found)


def test_a_few_may_be_suppressed_by_others(found):
    changed = [part.copy() for part in found]
    changed[2][0, 10] = -1
    changed[0][1, 20] += 9
    assert compare(changed, found) < 1e-6
    changed[2][0, 11:13] = -1
    with pytest.raises(UserError, match="of 120 detections of the file and of the network 4 have"):
        compare(changed, found)
    assert compare(changed, found, "float16") == pytest.approx(9, abs=1e-3)  # of 500 pixels


def test_one_detection_has_one_partner(found):
    doubled = [part.copy() for part in found]
    for part in doubled:
        part[0, :4] = part[0, :1]
    with pytest.raises(UserError, match="3 have no partner"):
        compare(doubled, found)


def test_without_detections_there_is_no_difference(found):
    nothing = [np.full_like(part, -1) for part in found]
    assert compare(nothing, nothing) == 0
    nan = [np.full_like(part, np.nan, np.float32) for part in found[:2]]
    with pytest.raises(UserError, match="have no partner"):
        compare([*nan, *found[2:]], found)


def test_outputs_for_each_anchor_are_compared_place_by_place(rng):
    logits, boxes = rng.random((2, 9, 3)), rng.random((2, 9, 4))
    with pytest.raises(UserError, match="differs from the network"):
        compare((logits[:, ::-1], boxes), (logits, boxes))

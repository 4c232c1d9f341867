"""Matching against plain loops over anchors and boxes."""

from pathlib import Path

import mindspore as ms
import numpy as np
import oracles_detection as oracles
import pytest
from mindspore import Tensor

from acmix.errors import UserError
from acmix.models.detection.matcher import BACKGROUND, IGNORED, Matcher
from acmix.ops.boxes import box_iou

GOLDEN = Path(__file__).parents[2] / "golden"


def run(mode, matcher, iou, valid):
    def function(iou, valid):
        return matcher(iou, valid)

    function = ms.jit(function) if mode == "graph" else function
    matched = function(Tensor(np.asarray(iou, np.float32)), Tensor(np.asarray(valid, bool)))
    assert matched.dtype == ms.int32
    return matched.asnumpy()


def assert_as_by_loops(mode, iou, counts, positive, negative, low_quality):
    """Compare images whose first ``counts`` boxes are real."""
    iou = np.asarray(iou, np.float32)
    valid = np.arange(iou.shape[2])[None] < np.array(counts)[:, None]
    matched = run(mode, Matcher(positive, negative, low_quality), iou, valid)
    # Thresholds are compared in float32.
    bounds = float(np.float32(positive)), float(np.float32(negative))
    for image, count in enumerate(counts):
        expected = oracles.match(iou[image, :, :count].astype(float), *bounds, low_quality)
        np.testing.assert_array_equal(matched[image], expected)


@pytest.mark.parametrize("low_quality", [False, True])
@pytest.mark.parametrize(("positive", "negative"), [(0.5, 0.4), (0.7, 0.3), (0.5, 0.5)])
def test_matching_is_that_of_the_loops(mode, rng, positive, negative, low_quality):
    iou = rng.random((4, 30, 5)) ** 2 * rng.integers(0, 2, (4, 30, 5))
    iou[2, :, 1] *= 0.3  # a box that no anchor overlaps much
    assert_as_by_loops(mode, iou, [5, 3, 4, 0], positive, negative, low_quality)


def test_equal_overlaps_and_thresholds_themselves(mode, rng):
    # Steps of 1/8 make many ties, between the boxes of an anchor and the anchors of a box.
    iou = rng.integers(0, 9, (3, 40, 6)) / 8
    assert_as_by_loops(mode, iou, [6, 2, 1], 0.5, 0.375, True)


def test_first_of_equal_boxes_wins():
    assert run("graph", Matcher(), [[[0.2, 0.6, 0.6]]], [[1, 1, 1]]).tolist() == [[1]]


def test_threshold_of_positives_is_included_that_of_background_excluded():
    iou = [[[0.5], [0.45], [0.4], [0.39]]]
    matched = run("graph", Matcher(0.5, 0.4, allow_low_quality=False), iou, [[1]])
    assert matched.tolist() == [[0, IGNORED, IGNORED, BACKGROUND]]


def test_low_quality_anchor_keeps_the_box_it_overlaps_most():
    # Anchor 1 overlaps box 0 more than any anchor does, yet box 1 still more.
    iou = [[[0.1, 0.8], [0.2, 0.3]]]
    assert run("graph", Matcher(), iou, [[1, 1]]).tolist() == [[1, 1]]
    plain = Matcher(allow_low_quality=False)
    assert run("graph", plain, iou, [[1, 1]]).tolist() == [[1, BACKGROUND]]


def test_all_anchors_that_share_the_best_overlap_are_matched():
    iou = [[[0.3], [0.3], [0.1]]]
    assert run("graph", Matcher(), iou, [[1]]).tolist() == [[0, 0, BACKGROUND]]


MMDET = {
    "rpn": Matcher(0.7, 0.3, boxes_claim=True, low_quality=0.3),
    "rcnn": Matcher(0.5, 0.5, boxes_claim=True, low_quality=0.5),
    "cascade0": Matcher(0.5, 0.5, allow_low_quality=False),
    "cascade1": Matcher(0.6, 0.6, allow_low_quality=False),
    "cascade2": Matcher(0.7, 0.7, allow_low_quality=False),
}


@pytest.mark.parametrize("name", MMDET)
@pytest.mark.parametrize("boxes", ["", "_empty"])
def test_matching_is_mmdets(name, boxes, mode):
    with np.load(GOLDEN / "assigners.npz") as golden:
        truth = golden["in_gt"]
        anchors, expected = golden["in_boxes"], golden[f"out_{name}{boxes}"]
    iou = box_iou(Tensor(anchors[None]), Tensor(truth[None])).asnumpy()
    valid = np.full((1, len(truth)), boxes == "")
    np.testing.assert_array_equal(run(mode, MMDET[name], iou, valid)[0], expected)


def test_a_box_claims_its_best_anchor_and_the_last_box_wins():
    iou = [[[0.1, 0.8, 0.0], [0.2, 0.3, 0.35], [0.0, 0.0, 0.35]]]
    claiming = Matcher(boxes_claim=True)
    assert run("graph", claiming, iou, [[1, 1, 1]]).tolist() == [[1, 2, 2]]
    choosy = Matcher(boxes_claim=True, low_quality=0.3)
    assert run("graph", choosy, iou, [[1, 1, 0]]).tolist() == [[1, BACKGROUND, BACKGROUND]]


def test_an_impossible_least_overlap_is_refused():
    with pytest.raises(UserError, match=r"low_quality must be between 0 and 1, got 1\.5"):
        Matcher(low_quality=1.5)


@pytest.mark.parametrize("negative", [0.0, 0.4])
def test_images_without_boxes_are_all_background(mode, negative):
    iou = np.ones((2, 7, 3))  # whatever stands in the padding
    matched = run(mode, Matcher(0.5, negative), iou, np.zeros((2, 3)))
    assert (matched == BACKGROUND).all()


def test_padding_never_wins_over_a_box_that_meets_nothing():
    iou = np.zeros((1, 4, 3))
    iou[0, :, 1:] = 0.9
    assert (run("graph", Matcher(), iou, [[1, 0, 0]]) == BACKGROUND).all()


def test_box_that_meets_no_anchor_matches_none():
    iou = np.zeros((1, 5, 2))
    iou[0, 0, 0] = 0.6
    assert run("graph", Matcher(), iou, [[1, 1]]).tolist() == [[0] + [BACKGROUND] * 4]


@pytest.mark.parametrize(("positive", "negative"), [(0.4, 0.5), (1.2, 0.4), (0.5, -0.1)])
def test_crossed_thresholds_are_refused(positive, negative):
    with pytest.raises(UserError, match="0 <= negative <= positive <= 1, got negative="):
        Matcher(positive, negative)

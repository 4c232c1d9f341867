"""Graph form, host form and an oracle of plain loops choose the same detections."""

import json

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn, ops

from acmix.errors import UserError
from acmix.models.detection import AnchorGenerator, BoxCoder, HostPostProcess, PostProcess
from acmix.models.detection.post_process import group_grid, suppress

HEIGHT, WIDTH, CLASSES = 64, 80, 5
SIZES = ((8, 10), (4, 5))
ANCHORS = AnchorGenerator((8, 16), scales_per_octave=1, ratios=(0.5, 1.0))(SIZES)
COUNTS = (160, 40)


class Graph(nn.Cell):
    def __init__(self, settings):
        super().__init__()
        self.settings, self.coder, self.anchors = settings, BoxCoder(), Tensor(ANCHORS)

    def construct(self, logits, deltas):
        boxes, scores, labels = self.settings.candidates(
            logits, deltas, self.anchors, COUNTS, self.coder, HEIGHT, WIDTH
        )
        found = self.settings.detections(boxes, scores, labels, CLASSES, HEIGHT, WIDTH)
        return (boxes, scores, labels), found


def iou(a, b):
    width = max(min(a[2], b[2]) - max(a[0], b[0]), 0)
    height = max(min(a[3], b[3]) - max(a[1], b[1]), 0)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - width * height
    return width * height / union if union > 0 else 0.0


def decoded(delta, anchor):
    width, height = anchor[2] - anchor[0], anchor[3] - anchor[1]
    x = (anchor[0] + anchor[2]) / 2 + delta[0] * width
    y = (anchor[1] + anchor[3]) / 2 + delta[1] * height
    half = width * np.exp(delta[2]) / 2, height * np.exp(delta[3]) / 2
    box = [x - half[0], y - half[1], x + half[0], y + half[1]]
    return np.clip(box, 0, [WIDTH, HEIGHT, WIDTH, HEIGHT])


def oracle(settings, logits, deltas):
    """Detections (box, score, label) of one image, from the words of PostProcess in loops."""
    pairs, start = [], 0
    for count in COUNTS:
        level = [(logits[a, k], a, k) for a in range(start, start + count) for k in range(CLASSES)]
        pairs += sorted(level, reverse=True)[: settings.top_k]
        start += count
    kept = []
    for logit, a, k in sorted(pairs, reverse=True)[: settings.max_candidates]:
        score = 1 / (1 + np.exp(-np.float64(logit)))
        box = decoded(deltas[a].astype(np.float64), ANCHORS[a].astype(np.float64))
        if score > settings.score_threshold and not any(
            k == other and iou(box, better) > settings.nms_threshold for better, _, other in kept
        ):
            kept.append((box, score, k))
    return kept[: settings.max_detections]


def random_case(rng, batch=2, shift=-2.0, spread=0.3):
    """Distinct logits, and boxes that crowd each other."""
    logits = rng.permutation(batch * sum(COUNTS) * CLASSES).astype(np.float32)
    logits = (logits / logits.max() * 6 - 3 + shift).reshape(batch, -1, CLASSES)
    deltas = rng.standard_normal((batch, sum(COUNTS), 4)).astype(np.float32) * spread
    return logits, deltas


def on_host(settings, logits, deltas):
    host = HostPostProcess(settings, strides=(8, 16), num_anchors=2)
    boxes = BoxCoder().decode(Tensor(deltas), Tensor(ANCHORS)).asnumpy()
    boxes = np.clip(boxes, 0, np.float32([WIDTH, HEIGHT] * 2))
    return (
        host.candidates(logits, boxes, HEIGHT, WIDTH),
        host(logits, boxes, HEIGHT, WIDTH),
    )


CASES = {
    "as_it_comes": (PostProcess(score_threshold=0.3), {}),
    "crowded": (PostProcess(score_threshold=0.0, top_k=150, max_candidates=250), {"spread": 0.05}),
    "fewer_than_asked": (PostProcess(score_threshold=0.6, max_detections=50), {}),
    "fewer_candidates_than_detections": (
        PostProcess(score_threshold=0.0, top_k=20, max_candidates=30, nms_threshold=0.9),
        {},
    ),
    "nothing": (PostProcess(score_threshold=0.9), {}),
    "everything_wanted": (PostProcess(0.0, 2000, 2000, 1.0, 2100), {}),
}


@pytest.mark.parametrize("case", CASES)
def test_graph_host_and_loops_agree(case, rng):
    settings, changes = CASES[case]
    logits, deltas = random_case(rng, **changes)
    candidates, found = Graph(settings)(Tensor(logits), Tensor(deltas))
    boxes, scores, labels = (tensor.asnumpy() for tensor in found)
    assert boxes.shape == (2, settings.max_detections, 4)
    assert labels.dtype == np.int32
    for image in range(2):
        truth = oracle(settings, logits[image], deltas[image])
        host_candidates, host = on_host(settings, logits[image], deltas[image])
        for mine, theirs in zip(candidates, host_candidates, strict=True):
            np.testing.assert_allclose(mine[image].asnumpy(), theirs, rtol=1e-5, atol=1e-4)
        count = len(truth)
        assert (count == 0) == (case == "nothing")
        assert len(host.scores) == count
        np.testing.assert_array_equal(labels[image, :count], [label for _, _, label in truth])
        np.testing.assert_array_equal(labels[image, :count], host.labels)
        np.testing.assert_allclose(scores[image, :count], [s for _, s, _ in truth], rtol=1e-5)
        np.testing.assert_allclose(scores[image, :count], host.scores, rtol=1e-5)
        if count:
            np.testing.assert_allclose(boxes[image, :count], [b for b, _, _ in truth], atol=1e-4)
            np.testing.assert_allclose(boxes[image, :count], host.boxes, atol=1e-4)
        np.testing.assert_array_equal(labels[image, count:], -1)
        np.testing.assert_array_equal(scores[image, count:], 0)
        np.testing.assert_array_equal(boxes[image, count:], 0)


def test_both_modes_choose_alike(rng):
    settings, _ = CASES["as_it_comes"]
    case = tuple(map(Tensor, random_case(rng)))
    _, compiled = Graph(settings)(*case)
    ms.set_context(mode=ms.PYNATIVE_MODE)
    _, eager = Graph(settings)(*case)
    for one, other in zip(compiled, eager, strict=True):
        np.testing.assert_allclose(one.asnumpy(), other.asnumpy(), rtol=1e-6, atol=1e-5)


def kept(boxes, groups, threshold=0.5, num_groups=80, extent=1344):
    boxes, groups = np.array([boxes], np.float32), np.array([groups], np.int32)
    mask = suppress(Tensor(boxes), Tensor(groups), num_groups, extent, threshold)
    return mask.asnumpy()[0].tolist()


def test_boxes_of_several_classes_at_one_place_live_together():
    box = (100, 100, 200, 200)
    assert kept([box] * 4, [3, 7, 3, 79]) == [True, True, False, True]


def test_boxes_of_neighbouring_classes_that_fill_the_image_do_not_touch():
    whole = (0, 0, 1344, 1344)
    assert kept([whole] * 80, list(range(80)), threshold=0.0) == [True] * 80


def test_an_iou_of_the_threshold_itself_does_not_suppress():
    assert kept([(0, 0, 10, 10), (0, 0, 10, 5)], [0, 0], threshold=0.5) == [True, True]
    assert kept([(0, 0, 10, 10), (0, 0, 10, 5.01)], [0, 0], threshold=0.5) == [True, False]


def test_no_pixel_is_added_to_the_sides():
    """With mmdetection 1's sides of x2 - x1 + 1 the IoU would be 4 / 6, here it is 1 / 3."""
    assert kept([(0, 0, 1, 2), (0, 1, 1, 3)], [0, 0], threshold=0.5) == [True, True]


def test_what_a_suppressed_box_overlaps_stays():
    chain = [(0, 0, 10, 10), (3, 0, 13, 10), (6, 0, 16, 10)]  # IoU 0.54, 0.25, 0.54
    assert kept(chain, [0, 0, 0]) == [True, False, True]


def test_the_first_of_equals_stays_and_empty_boxes_suppress_nothing():
    assert kept([(5, 5, 5, 5)] * 3 + [(1, 1, 4, 4)] * 2, [0] * 5) == [True, True, True, True, False]


@pytest.mark.parametrize("label", [0, 79])
def test_classes_far_from_the_origin_lose_no_precision(label, rng):
    """The same boxes are kept in any class, to the last bit of the IoU."""
    corners = rng.random((300, 2)) * 30 + 1200
    boxes = np.concatenate([corners, corners + 20 + 60 * rng.random((300, 2))], 1)
    boxes = np.minimum(boxes, 1344).astype(np.float32)
    mask = np.array(kept(boxes, [label] * 300))
    _, step = group_grid(80, 1344)
    rounded = np.round(boxes.astype(np.float64) / step) * step
    assert np.abs(rounded - boxes).max() <= step / 2 == 1 / 2048
    truth = []
    for i in range(300):
        if not any(iou(rounded[i], rounded[j]) > 0.5 for j in truth):
            truth.append(i)
    np.testing.assert_array_equal(np.flatnonzero(mask), truth)
    assert 3 < len(truth) < 150


@pytest.mark.parametrize(("num_groups", "extent"), [(1, 7), (80, 1344), (1203, 2048), (2, 1)])
def test_moved_boxes_are_exact_in_float32(num_groups, extent):
    per_side, step = group_grid(num_groups, extent)
    assert per_side**2 >= num_groups > (per_side - 1) ** 2
    largest = np.float32(per_side * extent)
    assert largest - np.float32(step) < largest
    assert (largest - np.float32(step)) + np.float32(step) == largest


def test_what_nms_with_mask_does_on_this_device():
    """What `suppress` relies on, and the reason why it does not read the output of indices."""
    rows = [(0, 0, 9, 9, 0.1), (0, 0, 9, 8, 0.9), (50, 50, 60, 60, 0.5)]
    boxes, index, mask = ops.NMSWithMask(0.5)(Tensor(np.array(rows, np.float32)))
    np.testing.assert_array_equal(boxes.asnumpy()[:, 4], np.float32([0.9, 0.5, 0.1]))
    np.testing.assert_array_equal(index.asnumpy(), [0, 1, 2])
    np.testing.assert_array_equal(mask.asnumpy(), [True, True, False])


def test_the_host_form_goes_through_json():
    host = HostPostProcess(PostProcess(max_detections=7), (8, 16), 9)
    assert HostPostProcess.from_dict(json.loads(json.dumps(host.to_dict()))) == host


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"settings": {}, "strides": [8]},
        {"settings": {"top_p": 1}, "strides": [8], "num_anchors": 9},
        {"settings": {"top_k": 0}, "strides": [8], "num_anchors": 9},
        {"settings": {}, "strides": [8], "num_anchors": 9, "anchors": 9},
    ],
)
def test_a_host_form_that_does_not_fit_is_refused(content):
    with pytest.raises(UserError, match=r"post_process|top_k"):
        HostPostProcess.from_dict(content)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"score_threshold": -0.1}, "score_threshold must be between 0 and 1, got -0.1"),
        ({"nms_threshold": 1.5}, "nms_threshold"),
        ({"top_k": 0}, "top_k must be at least 1"),
        ({"max_detections": 0}, "max_detections"),
        ({"max_candidates": 3000}, "at most 2864"),
    ],
)
def test_bad_settings_are_explained(arguments, message):
    with pytest.raises(UserError, match=message):
        PostProcess(**arguments)

"""Box coding against R-CNN's definition, and there and back."""

import mindspore as ms
import numpy as np
import oracles_detection as oracles
import pytest
from mindspore import Tensor

from acmix.errors import UserError
from acmix.models.detection.coder import BoxCoder


@pytest.fixture
def boxes(rng):
    corner = rng.uniform(-20, 300, (2, 8, 2))
    sizes = np.exp(rng.uniform(0, 5, (2, 8, 2)))  # from 1 to 148 pixels
    return np.concatenate([corner, corner + sizes], -1).astype(np.float32)


@pytest.fixture
def anchors(boxes, rng):
    return np.flip(boxes, (0, 1)) + rng.uniform(0, 0.5, 4).astype(np.float32) * [-1, -1, 1, 1]


def run(mode, method, *inputs):
    def function(first, second):
        return method(first, second)

    function = ms.jit(function) if mode == "graph" else function
    return function(*(Tensor(np.asarray(x)) for x in inputs)).asnumpy()


def test_encoding_is_that_of_the_paper(mode, boxes, anchors):
    stds = (0.1, 0.1, 0.2, 0.2)
    anchors = anchors.astype(np.float32)
    deltas = run(mode, BoxCoder(stds).encode, boxes, anchors)
    pairs = zip(boxes.reshape(-1, 4), anchors.reshape(-1, 4), strict=True)
    expected = np.array([oracles.encode(*pair) for pair in pairs]).reshape(2, 8, 4) / stds
    np.testing.assert_allclose(deltas, expected, rtol=1e-4, atol=1e-4)


def test_decoding_undoes_encoding(mode, boxes, anchors):
    coder = BoxCoder((0.1, 0.1, 0.2, 0.2), max_ratio=200)
    deltas = run(mode, coder.encode, boxes, anchors.astype(np.float32))
    np.testing.assert_allclose(
        run(mode, coder.decode, deltas, anchors.astype(np.float32)), boxes, rtol=1e-4, atol=2e-3
    )


def test_anchors_of_one_image_serve_a_batch(boxes):
    coder, anchors = BoxCoder(max_ratio=200), boxes[0]
    deltas = run("graph", coder.encode, boxes, anchors)
    assert deltas.shape == (2, 8, 4)
    np.testing.assert_allclose(deltas[0], 0, atol=1e-6)
    decoded = run("graph", coder.decode, deltas, anchors)
    np.testing.assert_allclose(decoded, boxes, rtol=1e-4, atol=2e-3)


def test_no_offset_is_the_anchor_itself(boxes):
    decoded = run("graph", BoxCoder().decode, np.zeros_like(boxes), boxes)
    np.testing.assert_allclose(decoded, boxes, atol=1e-4)


def test_one_pixel_boxes_keep_their_pixel():
    box, anchor = [[7, 9, 8, 10]], [[4, 4, 20, 20]]
    box, anchor = np.array(box, np.float32), np.array(anchor, np.float32)
    deltas = run("graph", BoxCoder().encode, box, anchor)
    np.testing.assert_allclose(deltas, [[-4.5 / 16, -2.5 / 16, -np.log(16), -np.log(16)]])
    np.testing.assert_allclose(run("graph", BoxCoder().decode, deltas, anchor), box, atol=1e-5)


def test_empty_and_inverted_boxes_and_anchors_give_finite_numbers():
    degenerate = np.array(
        [[0, 0, 0, 0], [5, 5, 5, 9], [9, 9, 3, 3], [1333, 800, 1333, 800]], np.float32
    )
    whole = np.broadcast_to(np.array([0, 0, 1333, 800], np.float32), (4, 4))
    for boxes, anchors in ((degenerate, whole), (whole, degenerate), (degenerate, degenerate)):
        deltas = run("graph", BoxCoder((0.1, 0.1, 0.2, 0.2)).encode, boxes, anchors)
        assert np.isfinite(deltas).all()
        assert np.isfinite(run("graph", BoxCoder().decode, deltas, anchors)).all()


def test_decoded_sides_are_bounded_both_ways():
    anchor = np.array([[0, 0, 10, 20]], np.float32)
    for dtype in (np.float16, np.float32):
        boxes = run("graph", BoxCoder().decode, np.array([[0, 0, 80, -80]], dtype), anchor)
        x1, y1, x2, y2 = boxes[0]
        np.testing.assert_allclose([x2 - x1, y2 - y1], [10 * 62.5, 20 / 62.5], rtol=1e-4)
        np.testing.assert_allclose([x1 + x2, y1 + y2], [10, 20], rtol=1e-4)


def test_half_precision_deltas_decode_in_single_precision():
    anchor = np.array([[1000.25, 700.5, 1100.25, 750.5]], np.float32)
    deltas = np.array([[0.125, 0.25, 0, 0]], np.float16)
    boxes = run("graph", BoxCoder().decode, deltas, anchor)
    assert boxes.dtype == np.float32
    np.testing.assert_allclose(boxes, anchor + 12.5, atol=1e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"stds": (1, 1, 1)}, "stds must be four positive numbers"),
        ({"stds": (1, 1, 0, 1)}, "stds must be four positive numbers"),
        ({"max_ratio": 1}, "max_ratio must be above 1, got 1"),
    ],
)
def test_impossible_coders_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        BoxCoder(**arguments)

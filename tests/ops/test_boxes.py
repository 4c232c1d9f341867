"""Areas, IoU and clipping of boxes against their definitions and against COCO's own IoU."""

import mindspore as ms
import numpy as np
import oracles_detection as oracles
import pytest
from mindspore import Tensor

from acmix.ops.boxes import box_area, box_iou, clip_boxes

SPECIAL = np.array(
    [
        [10, 10, 20, 30],
        [10, 10, 20, 30],  # the same
        [20, 10, 30, 30],  # shares an edge
        [12, 12, 13, 13],  # one pixel
        [-5, -5, 12, 12],  # over the border
        [15, 15, 15, 25],  # a line
        [0, 0, 0, 0],  # padding
        [20, 30, 10, 10],  # corners in the wrong order
        [0, 0, 1333, 800],
        [1332.5, 799.25, 1333, 800],
    ],
    np.float32,
)


def random_boxes(rng, count, size=100):
    corner = rng.uniform(-10, size, (count, 2))
    return np.concatenate([corner, corner + rng.uniform(0, size, (count, 2))], 1).astype(np.float32)


def run(mode, function, *inputs):
    function = ms.jit(function) if mode == "graph" else function
    return function(*map(Tensor, inputs)).asnumpy()


def iou_of(a, b):
    return box_iou(a, b)


def test_iou_is_intersection_over_union(mode, rng):
    a, b = np.concatenate([SPECIAL, random_boxes(rng, 20)]), random_boxes(rng, 7)
    np.testing.assert_allclose(run(mode, iou_of, a, b), oracles.iou(a, b), atol=1e-6)
    np.testing.assert_allclose(
        run(mode, iou_of, SPECIAL, SPECIAL), oracles.iou(SPECIAL, SPECIAL), atol=1e-6
    )


def test_iou_agrees_with_pycocotools(rng):
    mask = pytest.importorskip("pycocotools.mask")
    a, b = random_boxes(rng, 40), random_boxes(rng, 30)

    def xywh(boxes):
        boxes = boxes.astype(np.float64)
        return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)

    expected = mask.iou(xywh(a), xywh(b), np.zeros(len(b), np.uint8))
    np.testing.assert_allclose(run("graph", iou_of, a, b), expected, atol=1e-6)


def test_leading_axes_broadcast(mode, rng):
    a, b = random_boxes(rng, 5), np.stack([random_boxes(rng, 3), random_boxes(rng, 3)])
    iou = run(mode, iou_of, a, b)
    assert iou.shape == (2, 5, 3)
    for image in range(2):
        np.testing.assert_allclose(iou[image], oracles.iou(a, b[image]), atol=1e-6)


def test_iou_of_equal_boxes_is_exactly_one(rng):
    boxes = random_boxes(rng, 50, size=1000)
    assert (np.diag(run("graph", iou_of, boxes, boxes)) == 1).all()


def test_iou_of_two_empty_boxes_is_zero():
    empty = SPECIAL[[5, 6, 7]]
    assert (run("graph", iou_of, empty, empty) == 0).all()


def test_half_precision_neither_overflows_nor_loses_pixels():
    boxes = np.array([[0, 0, 1333, 800], [0, 0, 1332, 800]], np.float16)
    iou = run("graph", iou_of, boxes, boxes)
    assert iou.dtype == np.float32
    np.testing.assert_allclose(iou[0, 1], 1332 / 1333, atol=1e-6)


def test_area(mode):
    def area(boxes):
        return box_area(boxes)

    expected = [oracles.area(box) for box in SPECIAL]
    np.testing.assert_allclose(run(mode, area, SPECIAL), expected, rtol=1e-6)
    assert run(mode, area, SPECIAL.reshape(2, 5, 4)).shape == (2, 5)


def test_clipped_boxes_lie_in_the_image_and_others_stay(mode):
    def clip(boxes):
        return clip_boxes(boxes, 20, 30)

    boxes = np.array([[[1, 2, 29, 19.5], [-3, -4, 31, 40], [50, 25, 60, 30]]], np.float32)
    expected = [[[1, 2, 29, 19.5], [0, 0, 30, 20], [30, 20, 30, 20]]]
    np.testing.assert_array_equal(run(mode, clip, boxes), np.array(expected, np.float32))

"""Targets of masks against mmdetection's and against RoIAlign in loops."""

import math

import numpy as np
import oracles_detection as oracles
import pytest
from mindspore import Tensor
from models.detection.golden_heads import load

from acmix.models.detection.mask_targets import mask_targets, mask_targets_on_host

# Of an image of 20 x 24.
BOXES = [
    [0, 0, 24, 20],
    [3.25, 4.5, 21.75, 17.125],
    [5, 5, 6, 6],  # one pixel
    [0, 0, 1, 20],
    [23, 19, 24, 20],
    [7.5, 3.25, 7.625, 19],  # a part of a pixel wide
    [0.5, 0.25, 8.5, 8.25],
    [2, 2, 2, 9],  # empty
    [9, 9, 9, 9],
    [0, 0, 0, 0],
    [-4, -3, 30, 26],  # not cut
    [30, 5, 40, 15],
]


def by_loops(mask, box, size):
    """Return the target with as many samples per bin and axis as mmdetection takes."""
    x1, y1, x2, y2 = box
    across, down = math.ceil((x2 - x1) / size), math.ceil((y2 - y1) / size)
    target = np.zeros((size, size))
    for row in range(size):
        for column in range(size):
            places = [
                (
                    y1 - 0.5 + (row + (i + 0.5) / down) * (y2 - y1) / size,
                    x1 - 0.5 + (column + (j + 0.5) / across) * (x2 - x1) / size,
                )
                for i in range(down)
                for j in range(across)
            ]
            values = [oracles.bilinear(mask[None], y, x)[0] for y, x in places]
            target[row, column] = 2 * sum(values) >= max(len(values), 1)
    return target


def on_device(masks, boxes, index, size):
    boxes = np.asarray(boxes, np.float32)
    return mask_targets(Tensor(masks[index]), Tensor(boxes), size).asnumpy()


@pytest.mark.parametrize("function", [mask_targets_on_host, on_device])
def test_targets_of_mmdetection(mode, function):
    golden = load("mask_head")
    height, width = golden.meta["image"]
    boxes = golden.in_boxes.clip(0, np.array([width, height] * 2, np.float32))
    targets = function(golden.in_masks, boxes, golden.in_indices, 28)
    np.testing.assert_array_equal(targets, golden.out_targets)


@pytest.mark.parametrize("function", [mask_targets_on_host, on_device])
@pytest.mark.parametrize("size", [3, 7])
def test_targets_are_adaptive_roi_align(rng, function, size):
    masks = (rng.random((2, 20, 24)) < 0.5).astype(np.uint8)
    masks[1] = 0
    masks[1, 4:16, 5:19] = 1
    boxes = np.array(BOXES * 2, np.float32)
    index = np.repeat([0, 1], len(BOXES))
    targets = function(masks, boxes, index, size)
    expected = [
        by_loops(masks[i], box.astype(float), size) for i, box in zip(index, boxes, strict=True)
    ]
    different = targets != np.array(expected)
    assert not different.any(), np.argwhere(different)[:10]


def test_a_share_of_one_half_is_inside(mode):
    """Three samples of 0, 1/2, 1 are a half, although a third is no binary number."""
    mask = np.zeros((1, 9, 9), np.uint8)
    mask[:, :, 4:] = 1
    box = np.array([[0, 0, 9, 9]], np.float32)
    boxes = [box, box + np.float32([0.5, 0, 0.5, 0])]
    for shifted in boxes:
        host = mask_targets_on_host(mask, shifted, np.array([0]), 3)
        np.testing.assert_array_equal(on_device(mask, shifted, [0], 3), host)
        np.testing.assert_array_equal(host[0], by_loops(mask[0], shifted[0].astype(float), 3))

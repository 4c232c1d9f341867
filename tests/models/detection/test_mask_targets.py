"""Targets of masks against mmdetection's and against RoIAlign in loops."""

import math

import numpy as np
import pytest
from golden_arrays import load
from mindspore import Tensor

from acmix.data.instance_masks import PixelMap
from acmix.data.mask_crops import align_mask
from acmix.models.detection.mask_targets import mask_targets

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


def read(mask, y, x):
    """Read (H, W) at a point; the outermost pixels go on for one pixel, then there is zero."""
    height, width = mask.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return 0.0
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    row, column = int(y), int(x)
    below, right = min(row + 1, height - 1), min(column + 1, width - 1)
    upper = (1 - x + column) * mask[row, column] + (x - column) * mask[row, right]
    lower = (1 - x + column) * mask[below, column] + (x - column) * mask[below, right]
    return (1 - y + row) * upper + (y - row) * lower


def by_loops(mask, box, size):
    """Return the share of the mask in every bin, with as many samples as mmdetection takes."""
    x1, y1, x2, y2 = map(float, box)
    across, down = math.ceil((x2 - x1) / size), math.ceil((y2 - y1) / size)
    shares = np.zeros((size, size))
    for row in range(size):
        for column in range(size):
            values = [
                read(
                    mask,
                    y1 - 0.5 + (row + (i + 0.5) / down) * (y2 - y1) / size,
                    x1 - 0.5 + (column + (j + 0.5) / across) * (x2 - x1) / size,
                )
                for i in range(down)
                for j in range(across)
            ]
            shares[row, column] = sum(values) / max(len(values), 1)
    return shares


def on_host(masks, boxes, index, size):
    whole = PixelMap.identity(*masks.shape[1:])
    shares = [align_mask(masks[i], whole, box, size) for i, box in zip(index, boxes, strict=True)]
    return np.array(shares) >= 0.5


def on_device(masks, boxes, index, size):
    boxes = np.asarray(boxes, np.float32)
    return mask_targets(Tensor(masks[index]), Tensor(boxes), size).asnumpy()


@pytest.mark.parametrize("function", [on_host, on_device])
def test_targets_of_mmdetection(mode, function):
    golden = load("mask_head")
    height, width = golden.meta["image"]
    boxes = golden.in_boxes.clip(0, np.array([width, height] * 2, np.float32))
    targets = function(golden.in_masks, boxes, golden.in_indices, 28)
    np.testing.assert_array_equal(targets, golden.out_targets)


@pytest.mark.parametrize("function", [on_host, on_device])
@pytest.mark.parametrize("size", [3, 7])
def test_targets_are_adaptive_roi_align(rng, function, size):
    masks = (rng.random((2, 20, 24)) < 0.5).astype(np.uint8)
    masks[1] = 0
    masks[1, 4:16, 5:19] = 1
    boxes = np.array(BOXES * 2, np.float32)
    index = np.repeat([0, 1], len(BOXES))
    targets = function(masks, boxes, index, size)
    shares = np.array([by_loops(masks[i], box, size) for i, box in zip(index, boxes, strict=True)])
    certain = np.abs(shares - 0.5) > 1e-5
    assert certain.mean() > 0.9
    np.testing.assert_array_equal(targets[certain], (shares >= 0.5)[certain])


def test_a_share_of_one_half_is_inside(mode):
    """Three samples of 0, 1/2 and 1 are a half, although a third is no binary number."""
    mask = np.zeros((1, 9, 10), np.uint8)
    mask[:, :, 5:] = 1
    box = np.array([[0.5, 0, 9.5, 9]], np.float32)
    expected = [[[0, 1, 1]] * 3]
    np.testing.assert_allclose(by_loops(mask[0], box[0], 3)[0, 1], 0.5)
    np.testing.assert_array_equal(on_host(mask, box, np.array([0]), 3), expected)
    np.testing.assert_array_equal(on_device(mask, box, [0], 3), expected)

"""Targets of mask heads, as mmdetection makes them, and the crops they can be made of."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from acmix.config.detection import CROP_MARGIN, CROP_MAXIMUM
from acmix.data import rle
from acmix.data.instance_masks import InstanceMasks, PixelMap
from acmix.data.mask_crops import align_mask, crop_masks

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "mask_head.npz")
HEIGHT, WIDTH = 60, 80
WHOLE = PixelMap.identity(HEIGHT, WIDTH)


def target(mask, pixels, box, size=28):
    return align_mask(mask, pixels, box, size) >= 0.5


def blob(seed, height=HEIGHT, width=WIDTH):
    noise = np.random.default_rng(seed).normal(size=(height, width))
    smooth = cv2.GaussianBlur(noise, (0, 0), 8)
    return (smooth > np.median(smooth)).astype(np.uint8)


def test_targets_equal_mmdetection_s():
    boxes = np.clip(GOLDEN["in_boxes"], 0, [WIDTH, HEIGHT, WIDTH, HEIGHT])
    masks = GOLDEN["in_masks"][GOLDEN["in_indices"]]
    found = [target(mask, WHOLE, box) for mask, box in zip(masks, boxes, strict=True)]
    np.testing.assert_array_equal(found, GOLDEN["out_targets"])


def roi_align(mask, box, size):
    """Average the samples of each bin, one by one."""
    (x1, y1, x2, y2), (height, width) = box, mask.shape
    wide, high = (x2 - x1) / size, (y2 - y1) / size
    count_y, count_x = max(int(np.ceil(high)), 1), max(int(np.ceil(wide)), 1)

    def value(y, x):
        if y < -1 or y > height or x < -1 or x > width:
            return 0.0
        y, x = np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)
        i, j = int(y), int(x)
        near = np.pad(mask, (0, 1), mode="edge")[i : i + 2, j : j + 2]
        return [1 - y + i, y - i] @ near @ [1 - x + j, x - j]

    return np.array(
        [
            [
                np.mean(
                    [
                        value(
                            y1 - 0.5 + high * (row + (i + 0.5) / count_y),
                            x1 - 0.5 + wide * (column + (j + 0.5) / count_x),
                        )
                        for i in range(count_y)
                        for j in range(count_x)
                    ]
                )
                for column in range(size)
            ]
            for row in range(size)
        ]
    )


BOXES = {
    "inside": (10.3, 8.1, 41.2, 33.9),
    "the image": (0, 0, WIDTH, HEIGHT),
    "across the corner": (-9.5, -3, 20, 17),
    "around the image": (-20, -15, 100, 90),
    "smaller than a pixel": (30.2, 20.3, 30.6, 20.9),
    "beside the image": (90, 5, 120, 30),
}


@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES)
def test_any_box_equals_averaging_its_samples(box):
    expected = roi_align(blob(1).astype(float), box, 7)
    np.testing.assert_allclose(align_mask(blob(1), WHOLE, np.array(box), 7), expected, atol=1e-5)


@pytest.mark.parametrize("box", [(5, 5, 5, 9), (5, 5, 9, 5), (5, 5, 5, 5), (9, 9, 5, 5)])
def test_a_box_without_area_gives_zeros(box):
    assert not align_mask(np.ones((HEIGHT, WIDTH)), WHOLE, np.array(box), 28).any()


def test_a_changed_mask_needs_no_bitmap_of_its_whole_size():
    pixels = WHOLE.flip().resize(120, 150).crop(11, 17, 90, 100).resize(133, 148)
    box = np.array([20.5, 30.1, 99.0, 120.7])
    mask = blob(2)
    whole = pixels(mask)
    expected = align_mask(whole, PixelMap.identity(*whole.shape), box, 28)
    np.testing.assert_array_equal(align_mask(mask, pixels, box, 28), expected)


def test_crops_are_the_masks_in_their_boxes():
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[20:30, 10:30] = 1
    masks = InstanceMasks(HEIGHT, WIDTH, (rle.encode(mask), rle.encode(1 - mask)))
    boxes = np.array([[10, 20, 30, 30], [10, 20, 30, 30]], np.float32)
    crops = crop_masks(masks, WHOLE, boxes, 22)
    assert crops.shape == (2, 22, 22)
    assert crops.dtype == np.uint8
    assert (crops[0, 3:-3, 2:-2] == CROP_MAXIMUM).all()
    assert not crops[1, 3:-3, 2:-2].any()
    assert not crops[0, :, 0].any()  # the margin
    assert crop_masks(masks.select([]), WHOLE, boxes[:0], 22).shape == (0, 22, 22)


def test_targets_from_crops_are_nearly_those_from_whole_masks():
    # Of 347 objects of COCO and four proposals each, 0.1 % of the pixels differ.
    rng = np.random.default_rng(0)
    pixels, size = WHOLE.resize(240, 320), 112
    differing = []
    for seed in range(12):
        mask = blob(seed)
        labels, parts = cv2.connectedComponents(mask)
        mask = (parts == rng.integers(1, labels)).astype(np.uint8)
        masks = InstanceMasks(HEIGHT, WIDTH, (rle.encode(mask),))
        box = masks.boxes()[0] * 4
        (crop,) = crop_masks(masks, pixels, box[None], size)
        wide, high = np.tile(box[2:] - box[:2] + 2 * CROP_MARGIN, 2).reshape(2, 2)[0]
        around = np.pad(crop / CROP_MAXIMUM, 1)  # nothing of the mask lies outside of its crop
        for shift in [np.zeros(4), *rng.uniform(-0.2, 0.2, (3, 4))]:
            proposal = box + shift * np.tile(box[2:] - box[:2], 2)
            proposal = np.clip(proposal, 0, [320, 240, 320, 240])
            place = (proposal - np.tile(box[:2] - CROP_MARGIN, 2)) * size / [
                wide,
                high,
                wide,
                high,
            ] + 1
            found = target(around, PixelMap.identity(*around.shape), place)
            differing.append(np.mean(found != target(mask, pixels, proposal)))
    assert np.mean(differing) < 0.003
    assert np.max(differing) < 0.02

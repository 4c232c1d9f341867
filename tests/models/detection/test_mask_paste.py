"""Masks of detections at the size of the image: as mmdetection pastes them, for any box."""

from pathlib import Path

import numpy as np
import pytest

from acmix.models.detection.mask_paste import paste_mask, paste_masks

GOLDEN = np.load(Path(__file__).parents[2] / "golden" / "mask_paste.npz")
HEIGHT, WIDTH = 61, 83


def soft(mask, box, height, width):
    """Look each pixel's centre up in the mask, one by one; zeros around the mask."""
    size, (x1, y1, x2, y2) = len(mask), np.asarray(box, float)
    padded = np.pad(mask.astype(float), 1)
    values = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            u = np.clip((x + 0.5 - x1) / (x2 - x1) * size - 0.5, -1, size) + 1
            v = np.clip((y + 0.5 - y1) / (y2 - y1) * size - 0.5, -1, size) + 1
            i, j = min(int(v), size), min(int(u), size)
            a, b = v - i, u - j
            near = padded[i : i + 2, j : j + 2]
            values[y, x] = [1 - a, a] @ near @ [1 - b, b]
    return values


def test_masks_equal_mmdetection_s():
    expected = np.unpackbits(GOLDEN["out_mmdet"], axis=-1)[..., :WIDTH]
    found = list(paste_masks(GOLDEN["in_masks"], GOLDEN["in_boxes"], HEIGHT, WIDTH))
    np.testing.assert_array_equal(found[:10], expected[:10])


def test_a_box_without_area_has_no_mask():
    # mmdetection fills the whole rows beside a box without width.
    assert np.unpackbits(GOLDEN["out_mmdet"][10], axis=-1).sum() == 9 * WIDTH
    assert not paste_mask(GOLDEN["in_masks"][10], GOLDEN["in_boxes"][10], HEIGHT, WIDTH).any()
    for box in [(5, 5, 5, 5), (5, 5, 9, 5), (9, 5, 5, 9), (0, 0, 0, 0)]:
        assert not paste_mask(np.ones((28, 28)), np.array(box), HEIGHT, WIDTH).any()


def test_the_oracle_equals_mmdetection_s_probabilities():
    for mask, box, expected in zip(
        GOLDEN["in_masks"], GOLDEN["in_boxes"], GOLDEN["out_mmdet_soft"], strict=False
    ):
        np.testing.assert_allclose(soft(mask, box, HEIGHT, WIDTH), expected, atol=1e-4)


BOXES = {
    "inside": (4.3, 6.1, 17.2, 15.9),
    "the image": (0, 0, 24, 20),
    "across the corner": (-7.5, -3.2, 9.4, 8.8),
    "around the image": (-50, -40, 90, 70),
    "huge": (-3e4, -2e4, 5e4, 4e4),
    "thin": (5.2, 1, 5.9, 18),
    "smaller than a pixel": (7.3, 8.4, 7.7, 8.6),
    "beside the image": (24.2, 3, 40, 9),
    "far from the image": (-2000, -900, -1000, -800),
    "its border fades into the image": (-10, 3, -0.1, 17),
}


@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES)
@pytest.mark.parametrize("size", [28, 7, 1])
def test_any_box_equals_looking_each_pixel_up(box, size):
    mask = np.random.default_rng(size).random((size, size)).astype(np.float32) ** 0.5
    expected = soft(mask, box, 20, 24)
    sure = np.abs(expected - 0.5) > 1e-5
    assert sure.mean() > 0.95
    found = paste_mask(mask, np.array(box, np.float32), 20, 24)
    np.testing.assert_array_equal(found[sure], expected[sure] > 0.5)


def test_a_full_mask_fills_its_box():
    expected = np.zeros((HEIGHT, WIDTH), np.uint8)
    expected[10:40, 20:60] = 1
    found = paste_mask(np.ones((28, 28)), np.array([20, 10, 60, 40]), HEIGHT, WIDTH)
    np.testing.assert_array_equal(found, expected)


def test_a_probability_of_one_half_is_part_of_the_mask():
    box = np.array([20, 10, 48, 38])
    assert paste_mask(np.full((28, 28), 0.5), box, HEIGHT, WIDTH).sum() == 28 * 28
    assert not paste_mask(np.full((28, 28), 0.4999), box, HEIGHT, WIDTH).any()


def test_masks_come_one_at_a_time_in_the_memory_order_of_rle():
    masks = paste_masks(np.ones((1000, 28, 28)), np.tile([[0, 0, 9, 9]], (1000, 1)), 9000, 9000)
    first = next(masks)  # all of them would take 81 GB
    assert first.flags.f_contiguous
    assert first.dtype == np.uint8


def test_no_detections_have_no_masks():
    assert list(paste_masks(np.zeros((0, 28, 28)), np.zeros((0, 4)), HEIGHT, WIDTH)) == []

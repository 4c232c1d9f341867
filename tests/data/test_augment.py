"""Random transforms: where boxes lie, what is drawn how often, and from the generator alone."""

from __future__ import annotations

import numpy as np
import pytest
from image_files import encode, pattern
from PIL import Image

from acmix.config import ClassificationDataConfig
from acmix.data.augment import Augment, jitter, pad_and_crop, random_crop, random_square

PLAIN = {"image_size": 8, "scale": None, "hflip": 0.0, "mean": (0.0,) * 3, "std": (1.0,) * 3}


def apply(pixels, seed=0, **changes):
    augment = Augment(ClassificationDataConfig(**(PLAIN | changes)))
    image = augment(encode(pixels), np.random.default_rng(seed))
    return np.rint(image.transpose(1, 2, 0) * 255).astype(int)


def test_without_transforms_a_square_is_only_resized():
    assert (apply(pattern(8, 8)) == pattern(8, 8)).all()


@pytest.mark.parametrize("size", [(40, 60), (60, 40), (1, 50), (50, 1), (3, 3)])
def test_random_crop_lies_inside_and_keeps_area_and_ratio(size, rng):
    width, height = size
    for _ in range(200):
        left, top, crop_width, crop_height = random_crop(width, height, (0.2, 0.6), (0.5, 2), rng)
        assert left >= 0
        assert top >= 0
        assert 1 <= crop_width <= width - left
        assert 1 <= crop_height <= height - top
        if min(size) >= 40:
            # Rounding to whole pixels moves area and ratio a little.
            assert 0.18 <= crop_width * crop_height / (width * height) <= 0.63
            assert 0.45 <= crop_width / crop_height <= 2.2


def test_random_crop_area_is_uniform(rng):
    areas = [
        np.prod(random_crop(1000, 1000, (0.1, 0.5), (1, 1), rng)[2:]) / 1e6 for _ in range(4000)
    ]
    assert np.mean(areas) == pytest.approx(0.3, abs=0.01)
    assert np.quantile(areas, [0.25, 0.75]) == pytest.approx([0.2, 0.4], abs=0.015)


def test_random_crop_without_a_fitting_box_takes_the_centre(rng):
    assert random_crop(100, 10, (1, 1), (0.5, 2), rng) == (40, 0, 20, 10)
    assert random_crop(10, 100, (1, 1), (0.5, 2), rng) == (0, 40, 10, 20)


def test_random_square_reaches_both_ends_and_no_further(rng):
    lefts = {random_square(5, 3, rng)[0] for _ in range(100)}
    assert lefts == {0, 1, 2}
    assert random_square(5, 3, rng)[1:] == (0, 3, 3)


def test_pad_and_crop_shifts_and_fills_with_zeros(rng):
    image = Image.fromarray(np.full((4, 4), 9, np.uint8))
    shifts = set()
    for _ in range(200):
        pixels = np.asarray(pad_and_crop(image, 1, rng))
        assert pixels.shape == (4, 4)
        filled = (pixels == 9).sum()
        assert filled in (16, 12, 9)
        assert set(np.unique(pixels)) <= {0, 9}
        shifts.add((bool(pixels[0, 1]), bool(pixels[-1, 1]), bool(pixels[1, 0]), filled))
    assert len(shifts) > 4


def test_flip_mirrors_the_columns_half_of_the_time():
    pixels = pattern(8, 8)
    results = [apply(pixels, seed, hflip=0.5) for seed in range(200)]
    flipped = [(result == pixels[:, ::-1]).all() for result in results]
    kept = [(result == pixels).all() for result in results]
    assert all(a != b for a, b in zip(flipped, kept, strict=True))
    assert 70 < sum(flipped) < 130


def test_jitter_stays_within_its_strength(rng):
    grey = Image.fromarray(np.full((4, 4, 3), 100, np.uint8))
    values = [np.asarray(jitter(grey, 0.2, rng)).astype(int) for _ in range(200)]
    levels = np.array([value.mean() for value in values])
    assert 79 <= levels.min() < 85
    assert 115 < levels.max() <= 121


def test_jitter_changes_saturation(rng):
    red = Image.fromarray(np.full((2, 2, 3), (200, 100, 100), np.uint8))
    spread = [float(np.ptp(np.asarray(jitter(red, 0.5, rng)).astype(int))) for _ in range(100)]
    assert min(spread) < 60
    assert max(spread) > 140


@pytest.mark.parametrize(
    "changes",
    [
        {"scale": (0.2, 1.0)},
        {"pad_crop": 2},
        {"color_jitter": 0.4},
        {"hflip": 0.5},
    ],
)
def test_equal_generators_give_equal_images_and_others_do_not(changes):
    pixels = pattern(12, 9)
    images = [apply(pixels, seed, **changes) for seed in range(20)]
    assert (apply(pixels, 3, **changes) == images[3]).all()
    assert any((image != images[0]).any() for image in images)


def test_grey_images_are_jittered_too():
    changes = {"channels": 1, "mean": (0.0,), "std": (1.0,), "color_jitter": 0.4, "pad_crop": 1}
    assert apply(pattern(8, 8), **changes).shape == (8, 8, 1)

"""Random erasing: the rectangle's size and place, the noise in it, and how often it happens."""

from __future__ import annotations

import numpy as np
import pytest
from image_files import encode, pattern

from acmix.config import ClassificationDataConfig
from acmix.data.augment import Augment
from acmix.data.erasing import erase

BLANK = 100.0


def erased(rng, shape=(3, 40, 60)):
    image = np.full(shape, BLANK, np.float32)
    erase(image, rng)
    return image, image != BLANK


def test_a_rectangle_through_all_channels_is_erased_and_nothing_else(rng):
    for _ in range(100):
        _, mask = erased(rng)
        rows, columns = np.flatnonzero(mask[0].any(1)), np.flatnonzero(mask[0].any(0))
        expected = np.zeros_like(mask)
        expected[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
        np.testing.assert_array_equal(mask, expected)


def test_area_and_aspect_are_in_their_ranges_and_fill_them(rng):
    sizes = [
        (mask[0].any(1).sum(), mask[0].any(0).sum())
        for _, mask in (erased(rng) for _ in range(500))
    ]
    heights, widths = np.array(sizes).T
    areas, aspects = heights * widths / 2400, heights / widths
    assert 0.01 < areas.min() < 0.03
    assert 0.31 < areas.max() < 0.36
    assert np.mean(areas) == pytest.approx((0.02 + 1 / 3) / 2, abs=0.02)
    assert 0.25 < aspects.min() < 0.4
    # Tall rectangles of a large area do not fit into this wide image.
    assert 2.2 < aspects.max() < 4


def test_rectangles_reach_every_border(rng):
    counts = sum(erased(rng)[1][0].astype(int) for _ in range(300))
    for border in (counts[0], counts[-1], counts[:, 0], counts[:, -1]):
        assert border.max() > 0
    assert counts[5:-5, 5:-5].min() > 0


def test_the_noise_is_standard_normal_at_every_pixel(rng):
    values = np.concatenate([image[mask] for image, mask in (erased(rng) for _ in range(50))])
    assert np.mean(values) == pytest.approx(0, abs=0.02)
    assert np.std(values) == pytest.approx(1, abs=0.02)
    assert len(np.unique(values)) > 0.99 * len(values)


def test_an_image_that_no_rectangle_fits_into_is_left_alone(rng):
    assert not erased(rng, (1, 1, 1))[1].any()


@pytest.mark.parametrize(("probability", "expected"), [(0.0, 0.0), (0.25, 0.25), (1.0, 1.0)])
def test_the_training_transform_erases_with_the_configured_probability(probability, expected):
    settings = {"image_size": 16, "scale": None, "hflip": 0.0}
    encoded = encode(pattern(16, 16))
    plain = Augment(ClassificationDataConfig(**settings))(encoded, np.random.default_rng(0))
    augment = Augment(ClassificationDataConfig(**settings, random_erasing=probability))
    changed = [
        (augment(encoded, np.random.default_rng(seed)) != plain).any() for seed in range(300)
    ]
    assert np.mean(changed) == pytest.approx(expected, abs=0.07 if 0 < expected < 1 else 0)

"""Training crops: image and labels stay together, one class does not fill them."""

from __future__ import annotations

import numpy as np
import pytest
from pair_files import label_map, pair_config
from PIL import Image

from acmix.data.segmentation_augment import SegmentationAugment, crop_slices

MEAN = STD = (0.5, 0.5, 0.5)


def augment(labels, seed=0, **changes):
    """Augment an image whose pixels are made of its labels."""
    settings = {"mean": MEAN, "std": STD, "photometric": 0.0, "interpolation": "nearest"} | changes
    image = Image.fromarray(np.stack([labels] * 3, axis=-1))
    transform = SegmentationAugment(pair_config("unused", **settings))
    return transform(image, labels, np.random.default_rng(seed))


@pytest.mark.parametrize("seed", range(8))
def test_image_and_labels_stay_together_and_padding_is_told_apart(seed):
    labels = label_map(20, 28, seed)
    image, targets = augment(labels, seed, crop_size=33)
    assert (image.shape, targets.shape) == ((3, 33, 33), (33, 33))
    assert (image.dtype, targets.dtype) == (np.float32, np.int32)
    ratio_low, ratio_high = 0.5, 2.0
    height = np.flatnonzero((image != 0).any((0, 2))).max() + 1
    assert 24 * ratio_low - 1 <= min(height, 33) <= max(33, 24 * ratio_high)
    inside = np.rint((image[0] + 1) * 127.5)
    padded = (image == 0).all(0)
    np.testing.assert_array_equal(np.where(padded, 255, inside), targets)


def test_every_size_of_the_range_is_drawn_and_rounded_as_in_mmcv():
    widths = []
    for seed in range(60):
        _, targets = augment(np.full((10, 15), 1, np.uint8), seed, crop_size=80, cat_max_ratio=1.0)
        rows, columns = ((targets != 255).any(axis).sum() for axis in (1, 0))
        widths.append(columns)
        side = next(s for s in range(12, 49) if int(s / 10 * 15 + 0.5) == columns and s == rows)
        assert rows == side
    assert min(widths) < 26
    assert max(widths) > 60


def test_the_flip_mirrors_both():
    labels = label_map(16, 16)
    settings = {"resize_ratio": None, "short_side": 16, "crop_size": 16}
    straight, mirrored = (augment(labels, hflip=p, **settings) for p in (0.0, 1.0))
    for one, other in zip(straight, mirrored, strict=True):
        np.testing.assert_array_equal(one[..., ::-1], other)


def share(labels):
    counts = np.bincount(labels.ravel(), minlength=256)[:255]
    return counts.max() / max(1, counts.sum())


def test_a_crop_that_one_class_fills_is_drawn_again_up_to_ten_times():
    labels = np.zeros((40, 40), np.uint8)
    labels[:, 30:] = 1
    rng = np.random.default_rng(0)
    drawn = [share(labels[crop_slices(labels, 8, 0.75, rng)]) for _ in range(300)]
    free = [share(labels[crop_slices(labels, 8, 1.0, rng)]) for _ in range(300)]
    assert np.mean(np.array(free) >= 0.75) > 0.8
    # 11 crops at most: an eighth of the crops fits, so a few are left that do not.
    assert 0.05 < np.mean(np.array(drawn) >= 0.75) < 0.6


@pytest.mark.parametrize(
    ("left", "draws"), [((0, 1), 1), ((0, 0), 11), ((255, 0), 11), ((255, 255), 11)]
)
def test_how_often_a_crop_is_drawn(left, draws):
    """Half a class each fits; a single class never does, and ignored pixels are none."""
    labels = np.repeat(np.array([left], np.uint8), 4, axis=0)

    class Counted:
        calls = 0

        def integers(self, high):
            Counted.calls += 1
            return 0

    crop_slices(labels, 2, 0.75, Counted())
    assert Counted.calls == 2 * draws


def test_three_quarters_are_too_much_and_ignored_pixels_do_not_count():
    labels = np.array([[0, 0, 0, 1], [255] * 4, [255] * 4, [255] * 4], np.uint8)

    class Counted:
        calls = 0

        def integers(self, high):
            self.calls += 1
            return 0

    for limit, draws in ((0.75, 11), (0.76, 1)):
        counted = Counted()
        crop_slices(labels, 4, limit, counted)
        assert counted.calls == 2 * draws


def test_colours_are_distorted_in_the_crop_alone():
    labels = label_map(20, 28)
    plain, targets = augment(labels, 3)
    changed, same = augment(labels, 3, photometric=1.0)
    np.testing.assert_array_equal(targets, same)
    assert (plain != changed).any()

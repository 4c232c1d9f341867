"""Every operation of RandAugment against its formula in NumPy, and how operations are drawn."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from image_files import encode, pattern
from PIL import Image

from acmix.config import ClassificationDataConfig
from acmix.data.augment import Augment
from acmix.data.rand_augment import OPERATIONS, RandAugment, Warp

LUMA = np.array([0.299, 0.587, 0.114])
WARP = Warp(Image.Resampling.BILINEAR, (10, 20, 30))


def apply(name, pixels, severity):
    changed = OPERATIONS[name].change(Image.fromarray(pixels), severity, WARP)
    return np.asarray(changed).astype(float)


def ramp(a, b, size=(33, 41)):
    """f(x, y) = 128 + a x + b y about the centre, in whole steps, same in all channels."""
    y, x = centred(size)
    return np.repeat((128 + a * x + b * y).astype(np.uint8)[..., None], 3, axis=-1)


def centred(size=(33, 41)):
    rows, columns = np.mgrid[: size[0], : size[1]]
    return rows - (size[0] - 1) / 2, columns - (size[1] - 1) / 2


@pytest.fixture
def picture(rng):
    return rng.integers(0, 256, (9, 11, 3), dtype=np.uint8)


def test_invert_reflects_the_levels(picture):
    assert (apply("Invert", picture, 0.9) == 255.0 - picture).all()


def test_autocontrast_stretches_each_channel_to_the_whole_range(picture):
    narrow = (picture // 4 + np.array([10, 60, 110])).astype(np.uint8)
    low, high = narrow.min((0, 1)), narrow.max((0, 1))
    expected = (narrow - low) * (255 / (high - low))
    np.testing.assert_allclose(apply("AutoContrast", narrow, 0.9), expected, atol=1)


def test_equalize_makes_the_histogram_flat_and_keeps_the_order(rng):
    skewed = np.repeat((256 * rng.random((64, 64)) ** 4).astype(np.uint8)[..., None], 3, axis=-1)
    assert np.quantile(skewed, 0.5) < 32
    flat = apply("Equalize", skewed, 0.9)
    levels = np.array([0.3, 0.5, 0.7, 0.9])
    np.testing.assert_allclose(np.quantile(flat, levels), 255 * levels, atol=12)
    before, after = skewed.reshape(-1), flat.reshape(-1)
    order = np.argsort(before, kind="stable")
    assert (np.diff(after[order]) >= 0).all()


@pytest.mark.parametrize(("severity", "bits"), [(0.0, 4), (0.5, 2), (0.9, 1), (1.0, 1)])
def test_posterize_keeps_fewer_bits_the_more_severe(picture, severity, bits):
    step = 2 ** (8 - bits)
    assert (apply("Posterize", picture, severity) == picture // step * step).all()


@pytest.mark.parametrize(("severity", "threshold"), [(0.0, 256), (0.5, 128), (1.0, 0)])
def test_solarize_inverts_more_levels_the_more_severe(picture, severity, threshold):
    expected = np.where(picture < threshold, picture, 255 - picture)
    assert (apply("Solarize", picture, severity) == expected).all()


def test_solarize_add_brightens_the_darker_half(picture):
    expected = np.where(picture < 128, np.minimum(picture + 99.0, 255), picture)
    assert (apply("SolarizeAdd", picture, 0.9) == expected).all()


FACTORS = [(-1.0, 0.1), (-0.5, 0.55), (0.0, 1.0), (0.5, 1.45), (1.0, 1.9)]


def blended(base, picture, factor):
    return np.clip(base + factor * (picture - base), 0, 255)


@pytest.mark.parametrize(("severity", "factor"), FACTORS)
def test_brightness_blends_with_black(picture, severity, factor):
    expected = blended(np.zeros(3), picture, factor)
    np.testing.assert_allclose(apply("Brightness", picture, severity), expected, atol=1)


@pytest.mark.parametrize(("severity", "factor"), FACTORS)
def test_color_blends_with_the_grey_picture(picture, severity, factor):
    expected = blended((picture @ LUMA)[..., None], picture, factor)
    np.testing.assert_allclose(apply("Color", picture, severity), expected, atol=2)


@pytest.mark.parametrize(("severity", "factor"), FACTORS)
def test_contrast_blends_with_the_mean_grey(picture, severity, factor):
    expected = blended((picture @ LUMA).mean(), picture, factor)
    np.testing.assert_allclose(apply("Contrast", picture, severity), expected, atol=2)


@pytest.mark.parametrize(("severity", "factor"), FACTORS)
def test_sharpness_blends_with_the_smoothed_picture(picture, severity, factor):
    weights = np.array([[1, 1, 1], [1, 5, 1], [1, 1, 1]]) / 13
    inner = picture[1:-1, 1:-1].astype(float)
    smooth = sum(
        weights[i, j] * picture[i : i + inner.shape[0], j : j + inner.shape[1]]
        for i in range(3)
        for j in range(3)
    )
    sharpened = apply("Sharpness", picture, severity)[1:-1, 1:-1]
    np.testing.assert_allclose(sharpened, blended(smooth, inner, factor), atol=2)


# Linear pictures stay linear under affine maps, and bilinear sampling is exact on them.
MAPS = {
    "ShearX": lambda x, y, s, size: (x + 0.3 * s * (y + size[0] / 2), y),
    "ShearY": lambda x, y, s, size: (x, y + 0.3 * s * (x + size[1] / 2)),
    "TranslateX": lambda x, y, s, size: (x + 0.45 * s * size[1], y),
    "TranslateY": lambda x, y, s, size: (x, y + 0.45 * s * size[0]),
    "Rotate": lambda x, y, s, size: (
        x * np.cos(np.pi / 6 * s) - y * np.sin(np.pi / 6 * s),
        x * np.sin(np.pi / 6 * s) + y * np.cos(np.pi / 6 * s),
    ),
}


@pytest.mark.parametrize("severity", [-1.0, -0.4, 0.7, 1.0])
@pytest.mark.parametrize("name", sorted(MAPS))
def test_warps_sample_the_mapped_positions_and_fill_the_outside(name, severity):
    size = (33, 41)
    y, x = centred(size)
    from_x, from_y = MAPS[name](x, y, severity, size)
    warped = apply(name, ramp(3, 2, size), severity)
    # Half a pixel at the border is Pillow's to choose.
    margin_x, margin_y = size[1] / 2 - np.abs(from_x), size[0] / 2 - np.abs(from_y)
    inside = (margin_x > 0.6) & (margin_y > 0.6)
    outside = (margin_x < -0.6) | (margin_y < -0.6)
    assert inside.sum() > 300
    assert outside.sum() > 20
    expected = 128 + 3 * from_x + 2 * from_y
    np.testing.assert_allclose(warped[inside], np.repeat(expected[inside, None], 3, 1), atol=1.1)
    assert (warped[outside] == WARP.fill).all()


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_operations_keep_size_and_mode_of_colour_and_grey_images(name, picture):
    for image, fill in (
        (Image.fromarray(picture), (1, 2, 3)),
        (Image.fromarray(picture[..., 0]), 4),
    ):
        changed = OPERATIONS[name].change(image, 0.9, Warp(Image.Resampling.BICUBIC, fill))
        assert (changed.size, changed.mode) == (image.size, image.mode)


def test_half_of_the_drawn_operations_are_applied_all_equally_often(rng):
    augment = RandAugment(9, 0.5, layers=2, warp=WARP)
    draws = [augment.draw(rng) for _ in range(6000)]
    lengths = Counter(len(draw) for draw in draws)
    assert np.array([lengths[n] for n in range(3)]) / 6000 == pytest.approx(
        np.array([0.25, 0.5, 0.25]), abs=0.03
    )
    names = Counter(name for draw in draws for name, _ in draw)
    assert names.keys() == OPERATIONS.keys()
    assert len(names) == 15
    assert min(names.values()) > 0.75 * 400
    assert max(names.values()) < 1.25 * 400


def test_severity_is_normal_about_the_magnitude_clipped_and_signed_where_it_has_a_direction(rng):
    augment = RandAugment(9, 0.5, layers=2, warp=WARP)
    drawn = [pair for _ in range(4000) for pair in augment.draw(rng)]
    size = np.abs([severity for _, severity in drawn])
    assert size.max() == 1.0
    assert np.median(size) == pytest.approx(0.9, abs=0.005)
    assert np.std(size) == pytest.approx(0.05, abs=0.004)
    negative = Counter(name for name, severity in drawn if severity < 0)
    total = Counter(name for name, _ in drawn)
    for name, operation in OPERATIONS.items():
        share = negative[name] / total[name]
        assert 0.35 < share < 0.65 if operation.signed else share == 0


def test_magnitude_zero_without_spread_leaves_the_geometry_and_the_colours(picture, rng):
    image = Image.fromarray(picture)
    for name in ("Rotate", "ShearX", "TranslateY", "Color", "Brightness", "Solarize"):
        assert (np.asarray(OPERATIONS[name].change(image, 0.0, WARP)) == picture).all()


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic", "lanczos"])
def test_the_training_transform_applies_it_by_the_generator_alone(interpolation):
    config = ClassificationDataConfig(
        image_size=16, scale=None, hflip=0.0, rand_augment=9, interpolation=interpolation
    )
    augment, plain = (
        Augment(config),
        Augment(ClassificationDataConfig(image_size=16, scale=None, hflip=0.0)),
    )
    encoded = encode(pattern(16, 16))
    images = [augment(encoded, np.random.default_rng(seed)) for seed in range(30)]
    again = [augment(encoded, np.random.default_rng(seed)) for seed in range(30)]
    np.testing.assert_array_equal(images, again)
    unchanged = plain(encoded, np.random.default_rng(0))
    same = sum((image == unchanged).all() for image in images)
    assert 2 <= same <= 18  # a quarter is left alone, and a pattern may already be stretched

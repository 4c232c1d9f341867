"""Resizing with the aspect kept, padding to buckets; its dictionary is untrusted input."""

from __future__ import annotations

import json

import numpy as np
import pytest
from image_files import encode, pattern
from PIL import Image

from acmix.config import DetectionDataConfig
from acmix.data import DetectionPreprocess, buckets
from acmix.data.decode import DecodeError
from acmix.errors import UserError


def config(**changes) -> DetectionDataConfig:
    settings = {"name": "coco", "interpolation": "bilinear", "bucket_aspects": (4 / 3,)}
    return DetectionDataConfig(**(settings | changes))


def preprocess(**changes) -> DetectionPreprocess:
    return DetectionPreprocess.from_config(config(**changes))


SMALL = {"short_side": (32,), "long_side": 64, "size_divisor": 8}


def test_buckets_of_the_paper_are_the_largest_shape_and_the_aspect_4_to_3_each_lying_and_upright():
    assert buckets(config()) == ((800, 1088), (1088, 800), (800, 1344), (1344, 800))
    assert len(buckets(DetectionDataConfig(name="coco"))) == 6  # the default has 3 to 2 as well
    assert buckets(config(bucket_aspects=())) == ((800, 1344), (1344, 800))


def test_buckets_are_those_of_the_largest_short_side():
    assert buckets(config(short_side=(640, 800, 480))) == buckets(config())


def test_equal_buckets_are_one_and_a_square_has_no_upright_twin():
    assert buckets(config(bucket_aspects=(1.0, 1.66, 5.0))) == (
        (800, 800),
        (800, 1344),
        (1344, 800),
    )


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((640, 480), (1067, 800)),  # 1066.67
        ((480, 640), (800, 1067)),
        ((640, 426), (1202, 800)),  # 1201.88
        ((640, 218), (1333, 454)),  # limited by the long side: 454.05
        ((500, 375), (1067, 800)),
        ((1600, 1600), (800, 800)),
        ((1, 1), (800, 800)),
        ((100_000, 1), (1333, 1)),  # 0.01, which must not vanish
    ],
)
def test_sizes_are_those_of_mmdet(size, expected):
    assert preprocess().size(*size) == expected


@pytest.mark.parametrize(
    ("size", "bucket"),
    [
        ((640, 480), (800, 1088)),
        ((480, 640), (1088, 800)),
        ((612, 612), (800, 1088)),
        ((640, 426), (800, 1344)),
        ((426, 640), (1344, 800)),
        ((640, 218), (800, 1344)),
    ],
)
def test_bucket_is_the_smallest_that_holds_the_image(size, bucket):
    assert preprocess().bucket(*size) == bucket


@pytest.mark.parametrize("aspects", [(), (4 / 3,), (1.0, 1.25, 1.5)])
@pytest.mark.parametrize("divisor", [1, 32])
def test_every_image_fits_its_bucket_at_every_short_side(rng, aspects, divisor):
    sides = (50, 77, 100)
    changes = {"short_side": sides, "long_side": 167, "size_divisor": divisor}
    target = preprocess(bucket_aspects=aspects, **changes)
    for width, height in rng.integers(20, 900, size=(300, 2)).tolist():
        bucket = target.bucket(width, height)
        for side in sides:
            wide, high = target.size(width, height, side)
            assert high <= bucket[0]
            assert wide <= bucket[1]


def test_image_is_resized_normalised_and_padded_with_zeros_below_and_on_the_right():
    target = preprocess(**SMALL)
    pixels = pattern(20, 25)
    image, scale = target(encode(pixels))
    assert (image.shape, image.dtype, scale.dtype) == ((3, 32, 48), np.float32, np.float32)
    resized = Image.fromarray(pixels).resize((40, 32), Image.Resampling.BILINEAR)
    expected = (np.asarray(resized) / 255 - np.array(target.mean)) / np.array(target.std)
    np.testing.assert_allclose(image[:, :, :40], expected.transpose(2, 0, 1), atol=1e-5)
    assert not image[:, :, 40:].any()
    np.testing.assert_allclose(scale, [1.6, 1.6])


def test_scale_is_that_of_the_rounded_sides_along_each_axis():
    _, scale = preprocess()(encode(np.zeros((426, 640), np.uint8)))
    np.testing.assert_allclose(scale, [1202 / 640, 800 / 426], rtol=1e-7)


def test_grey():
    target = preprocess(channels=1, mean=(0.25,), std=(0.5,), **SMALL)
    grey = pattern(32, 48)[..., 0]
    image, _ = target(encode(grey))
    np.testing.assert_allclose(image, (grey[None] / 255 - 0.25) / 0.5, atol=1e-5)


def test_a_given_shape_changes_nothing_where_the_image_fits():
    encoded = encode(pattern(24, 32))
    target = preprocess(**SMALL)
    image, scale = target(encoded)
    fitted, fitted_scale = target(encoded, (40, 64))
    np.testing.assert_array_equal(fitted[:, :32, :43], image[:, :32, :43])
    np.testing.assert_array_equal(fitted_scale, scale)
    assert fitted.shape == (3, 40, 64)
    assert not fitted[:, 32:].any()
    assert not fitted[:, :, 43:].any()


@pytest.mark.parametrize(
    ("shape", "size"), [((16, 64), (21, 16)), ((64, 16), (16, 12)), ((9, 9), (9, 7))]
)
def test_a_given_shape_shrinks_what_does_not_fit_keeping_the_aspect(shape, size):
    image, scale = preprocess(mean=(0, 0, 0), **SMALL)(
        encode(np.full((24, 32), 255, np.uint8)), shape
    )
    assert image.shape == (3, *shape)
    assert (image[0] > 0).sum() == size[0] * size[1]
    np.testing.assert_allclose(scale, [size[0] / 32, size[1] / 24])


def test_extreme_shapes_cost_no_memory():
    image, scale = preprocess(**SMALL)(encode(np.full((1, 100_000), 9, np.uint8)))
    assert image.shape == (3, 32, 64)
    np.testing.assert_allclose(scale, [64 / 100_000, 1])


def test_what_is_no_image_or_too_large_a_one_is_refused():
    with pytest.raises(DecodeError):
        preprocess()(b"text")
    with pytest.raises(DecodeError, match="exceed the limit of 99"):
        preprocess()(encode(pattern(10, 10)), max_pixels=99)


def test_survives_json():
    target = preprocess()
    assert DetectionPreprocess.from_dict(json.loads(json.dumps(target.to_dict()))) == target


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"short_side": "800"}, "preprocess.short_side must be an integer"),
        ({"long_side": 10**9}, "preprocess.long_side"),
        ({"shapes": []}, "preprocess.shapes must name at least one"),
        ({"shapes": [[800]]}, "preprocess.shapes"),
        ({"shapes": [[800, 10**9]]}, "preprocess.shapes"),
        ({"channels": 1}, "one value per channel"),
        ({"std": [1, 0, 1]}, "preprocess.std"),
        ({"image_size": 1}, "unknown key 'preprocess.image_size'"),
    ],
)
def test_untrusted_dictionary_is_checked(change, message):
    with pytest.raises(UserError) as error:
        DetectionPreprocess.from_dict(preprocess().to_dict() | change)
    assert message in str(error.value)

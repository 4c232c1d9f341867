"""Sizes as in mmcv, bilinear pixels without antialiasing, padding, and the stored form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from image_files import encode, pattern
from pair_files import pair_config
from PIL import Image

from acmix.data import SegmentationPreprocess
from acmix.data.sizes import keep_ratio, round_up
from acmix.errors import UserError

GOLDEN = Path(__file__).parents[1] / "golden"


def preprocess(**changes):
    return SegmentationPreprocess.from_config(pair_config("unused", **changes))


def test_sizes_are_those_of_mmcv():
    for a, b, width, height, *expected in np.load(GOLDEN / "rescale_sizes.npz")["out"].tolist():
        size = keep_ratio(width, height, min(a, b), max(a, b))
        assert [*size, *(round_up(side, 32) for side in size)] == expected


def bilinear(pixels, size):
    """Resize (H, W, C) by the definition: pixel centres aligned, two neighbours on each axis."""
    for axis, target in ((0, size[1]), (1, size[0])):
        source = pixels.shape[axis]
        position = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0, source - 1)
        low = np.floor(position).astype(int)
        high = np.minimum(low + 1, source - 1)
        share = (position - low).reshape([-1 if a == axis else 1 for a in range(3)])
        pixels = pixels.take(low, axis) * (1 - share) + pixels.take(high, axis) * share
    return pixels


@pytest.mark.parametrize("size", [(20, 30), (60, 45), (9, 150)])
def test_an_image_is_resized_normalised_and_padded(size):
    image = pattern(*size)
    pixels, valid = preprocess(pad_divisor=16)(encode(image))
    high, wide = valid.tolist()
    assert (wide, high) == keep_ratio(size[1], size[0], 24, 64)
    assert pixels.shape == (3, round_up(high, 16), round_up(wide, 16))
    assert (pixels.dtype, valid.dtype) == (np.float32, np.int32)
    mean, std = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    expected = ((bilinear(image.astype(float), (wide, high)) / 255 - mean) / std).transpose(2, 0, 1)
    assert np.abs(pixels[:, :high, :wide] - expected).max() < 0.8 / 255 / min(std)  # OpenCV rounds
    assert not pixels[:, high:].any()
    assert not pixels[:, :, wide:].any()


def test_sides_are_stretched_to_multiples_by_a_second_resizing():
    one, other = preprocess(size_divisor=32), preprocess()
    image = pattern(20, 31)
    found = one.resized(image)
    assert found.shape == (32, 64, 3)  # 24 x 37 before
    expected = bilinear(bilinear(image.astype(float), (37, 24)), (64, 32))
    assert np.abs(found - expected).max() <= 1.5
    assert other.resized(image).shape == (24, 37, 3)


def test_a_ratio_scales_both_sides_rounded_down():
    assert preprocess().resized(pattern(20, 20), 1.24).shape == (29, 29, 3)
    assert preprocess().resized(pattern(20, 200), 0.5).shape == (3, 32, 3)


def test_a_fixed_input_size_is_padded_to_and_never_exceeded():
    image = Image.fromarray(pattern(20, 40))
    pixels, valid = preprocess().transform(image, (30, 60))
    assert (pixels.shape, valid.tolist()) == ((3, 30, 60), [24, 48])
    pixels, valid = preprocess().transform(image, (30, 32))
    assert (pixels.shape, valid.tolist()) == ((3, 30, 32), [16, 32])


def test_grey_images_are_taken():
    pixels, _ = preprocess(channels=1, mean=[0.5], std=[0.2])(encode(pattern(20, 30)))
    assert pixels.shape == (1, 24, 36)


def test_it_is_stored_as_plain_data_and_read_back():
    one = preprocess(pad_divisor=8)
    assert SegmentationPreprocess.from_dict(one.to_dict()) == one
    with pytest.raises(UserError, match=r"preprocess\.size_divisor must be an integer >= 1"):
        SegmentationPreprocess.from_dict(one.to_dict() | {"size_divisor": 0})

"""JPEG at a reduced size: the crop that a result is made of differs by less than can be seen."""

from __future__ import annotations

import numpy as np
import pytest
from image_files import encode
from PIL import Image

from acmix.data.augment import KEPT_DETAIL
from acmix.data.decode import DEFAULT_MAX_PIXELS, DecodeError, decode, decode_for_crop

MEAN_LEVELS, LARGEST = 2.0, 32


def photo(height, width, seed=0):
    """A picture with detail down to single pixels, weaker the finer it is: (H, W, 3) uint8."""
    rng = np.random.default_rng(seed)
    sides = np.array([height, width])
    total = np.zeros((height, width, 3))
    for divisor in (1, 2, 4, 8, 16, 32):
        small = rng.standard_normal((*(-(-sides // divisor)), 3)) * divisor
        grown = small.repeat(divisor, axis=0).repeat(divisor, axis=1)
        total += grown[:height, :width]
    return np.clip(128 + 3 * total, 0, 255).astype(np.uint8)


def crop(encoded, box, size, least):
    image, found = decode_for_crop(encoded, 3, DEFAULT_MAX_PIXELS, lambda *_: box, least)
    left, top, width, height = found
    corners = (left, top, left + width, top + height)
    return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC, box=corners)), image.size


@pytest.mark.parametrize(("side", "divisor"), [(127, 1), (128, 2), (255, 2), (256, 4), (512, 8)])
@pytest.mark.parametrize("quality", [75, 95])
def test_a_crop_keeps_the_stated_detail_and_looks_the_same(side, divisor, quality):
    size, height, width = 32, 523, 601
    encoded = encode(photo(height, width), "JPEG", quality=quality)
    box = (width - side, height - side, side, side)
    reduced, shape = crop(encoded, box, size, KEPT_DETAIL * size)
    whole, _ = crop(encoded, box, size, 10**6)
    assert shape == (-(-width // divisor), -(-height // divisor))
    difference = np.abs(reduced.astype(int) - whole.astype(int))
    assert difference.mean() < MEAN_LEVELS
    assert difference.max() < LARGEST
    assert (difference.max() == 0) == (divisor == 1)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("size", [(256, 192), (251, 189)])
def test_turned_images_show_the_same_part(orientation, size):
    exif = Image.Exif()
    exif[0x0112] = orientation
    encoded = encode(photo(*size), "JPEG", quality=95, exif=exif)
    high, wide = size if orientation < 5 else size[::-1]
    drawn = []

    def draw(width, height):
        drawn.append((width, height))
        return 20, 30, 150, 150

    image, box = decode_for_crop(encoded, 3, DEFAULT_MAX_PIXELS, draw, 64)
    assert drawn == [(wide, high)]
    left, top, width, height = box
    corners = (left, top, left + width, top + height)
    ours = np.asarray(image.resize((20, 20), Image.Resampling.BICUBIC, box=corners)).astype(int)
    upright = decode(encoded, 3)
    theirs = np.asarray(upright.resize((20, 20), Image.Resampling.BICUBIC, box=(20, 30, 170, 180)))
    assert np.abs(ours - theirs).mean() < MEAN_LEVELS


def test_other_formats_and_grey_jpeg_are_decoded():
    pixels = photo(64, 48)
    image, box = decode_for_crop(encode(pixels), 3, 10**6, lambda w, h: (0, 0, w, h), 1)
    np.testing.assert_array_equal(np.asarray(image), pixels)
    assert box == (0, 0, 48, 64)
    grey = encode(pixels[..., 0], "JPEG")
    for channels, mode in ((1, "L"), (3, "RGB")):
        image, box = decode_for_crop(grey, channels, 10**6, lambda w, h: (0, 0, w, h), 8)
        assert (image.mode, image.size, box) == (mode, (12, 16), (0, 0, 12, 16))


@pytest.mark.parametrize("limit", [10**6, 64])
def test_damaged_and_too_large_files_are_refused_before_memory_is_taken(limit):
    encoded = encode(photo(64, 48), "JPEG")
    damaged = encoded[: len(encoded) // 2] if limit > 64 else encoded
    with pytest.raises(DecodeError):
        decode_for_crop(damaged, 3, limit, lambda w, h: (0, 0, w, h), 8)

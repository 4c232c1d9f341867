"""Values that are not 8 bits are scaled by a stated rule, or refused by name."""

from __future__ import annotations

import io
import tracemalloc

import numpy as np
import pytest
from image_files import encode
from PIL import Image

from acmix.data import value_range
from acmix.data.decode import DecodeError, decode

RAMP = np.linspace(0, 1, 256).reshape(16, 16)
GREYS = np.arange(256).reshape(16, 16)


def decoded(values, file_format="TIFF", channels=1):
    return np.asarray(decode(encode(values, file_format), channels)).astype(int)


@pytest.mark.parametrize("white", [1, 255, 4095, 65535])
def test_a_float_ramp_is_the_ramp_of_greys(white):
    values = (RAMP * white).astype(np.float32)
    np.testing.assert_array_equal(decoded(values), GREYS)
    np.testing.assert_array_equal(decoded(values, channels=3), np.stack([GREYS] * 3, -1))


@pytest.mark.parametrize("kind", ["<u2", ">u2", "int32"])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_of_an_integer_the_upper_8_of_8_12_or_16_bits_are_kept(kind, bits):
    values = GREYS * 2 ** (bits - 8) + 2 ** (bits - 8) - 1
    np.testing.assert_array_equal(decoded(values.astype(kind)), GREYS)


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_16_bit_png_follows_the_same_rule(bits):
    values = (GREYS * 2 ** (bits - 8)).astype(np.uint16)
    np.testing.assert_array_equal(decoded(values, "PNG"), GREYS)


def test_an_image_between_two_depths_is_of_the_larger():
    values = np.array([[0, 4096]], np.uint16)
    assert decoded(values).tolist() == [[0, 16]]
    assert decoded(values.astype(np.float32)).tolist() == [[0, 16]]


def test_black_stays_black():
    for kind in (np.float32, np.uint16, np.int32):
        assert not decoded(np.zeros((3, 4), kind)).any()


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([[0, np.nan]], "holds NaN or Inf; replace them"),
        ([[0, np.inf]], "holds NaN or Inf"),
        ([[-np.inf, 0]], "holds NaN or Inf"),
        ([[-1, 1]], "holds values from -1 to 1, and which is white is unknown; scale them to"),
        ([[0, 65536]], "holds values from 0 to 65536, and which is white is unknown"),
    ],
)
def test_values_without_a_known_white_are_refused(values, reason):
    with pytest.raises(DecodeError, match=reason):
        decoded(np.array(values, np.float32))


@pytest.mark.parametrize("value", [-1, 65536, 2**31 - 1])
def test_integers_without_a_known_white_are_refused(value):
    with pytest.raises(DecodeError, match="which is white is unknown"):
        decoded(np.array([[0, value]], np.int32))


def test_bands_are_seamless(monkeypatch):
    values = np.random.default_rng(0).integers(0, 2**16, (37, 11)).astype(np.uint16)
    whole = decoded(values)
    monkeypatch.setattr(value_range, "_BAND", 30)
    np.testing.assert_array_equal(decoded(values), whole)
    np.testing.assert_array_equal(whole, values >> 8)


def test_16_bit_colour_keeps_the_upper_byte():
    cv2 = pytest.importorskip("cv2")
    values = np.random.default_rng(0).integers(0, 2**16, (5, 7, 3)).astype(np.uint16)
    for suffix in (".png", ".tiff"):
        _, encoded = cv2.imencode(suffix, values)
        found = np.asarray(decode(encoded.tobytes(), 3))
        np.testing.assert_array_equal(found[..., ::-1], values >> 8)


def test_the_first_page_of_a_tiff_is_taken():
    buffer = io.BytesIO()
    pages = [Image.fromarray(np.full((4, 4), value, np.uint16)) for value in (256, 65535)]
    pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:])
    assert (np.asarray(decode(buffer.getvalue(), 1)) == 16).all()  # 256 as 12 bits


@pytest.mark.parametrize("kind", [np.uint16, np.int32, np.float32])
def test_conversion_takes_little_memory_beside_the_image(monkeypatch, kind):
    """Before, a 16-bit PNG of 348 KB took 4.2 GB: 24 bytes for each of its pixels."""
    monkeypatch.setattr(value_range, "_BAND", 2**14)
    image = Image.fromarray(np.zeros((1024, 1024), kind))
    tracemalloc.start()
    try:
        value_range.to_8_bits(image)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3 * 2**20

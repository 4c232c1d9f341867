"""Whatever an image file holds, it becomes 8-bit RGB or grey, or a DecodeError."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from image_files import encode, pattern
from PIL import Image

from acmix.data.decode import DecodeError, decode

RGB = pattern(9, 11)
GREY = RGB[..., 0]


def as_array(encoded: bytes, channels: int) -> np.ndarray:
    return np.asarray(decode(encoded, channels)).astype(int)


def test_lossless_rgb_is_returned_unchanged():
    assert (as_array(encode(RGB), 3) == RGB).all()


@pytest.mark.parametrize("file_format", ["JPEG", "WEBP", "BMP", "TIFF", "PPM"])
def test_formats(file_format):
    error = np.abs(as_array(encode(RGB, file_format), 3) - RGB)
    assert error.mean() < (12 if file_format in ("JPEG", "WEBP") else 1e-9)


def test_rgb_becomes_grey_by_itu_601_luma():
    luma = RGB @ np.array([0.299, 0.587, 0.114])
    assert np.abs(as_array(encode(RGB), 1) - luma).max() <= 1


def test_grey_is_repeated_for_rgb():
    assert (as_array(encode(GREY), 3) == GREY[..., None]).all()


def test_alpha_is_dropped():
    alpha = np.full((*GREY.shape, 1), 7, np.uint8)
    assert (as_array(encode(np.concatenate([RGB, alpha], -1)), 3) == RGB).all()


def test_16_bit_grey_keeps_the_upper_byte():
    wide = GREY.astype(np.uint16) * 256 + 255
    assert (as_array(encode(wide), 1) == GREY).all()
    assert (as_array(encode(wide), 3) == GREY[..., None]).all()


def test_16_bit_tiff_of_either_byte_order():
    wide = GREY.astype(np.uint16) * 256
    for order in ("<u2", ">u2"):
        assert (as_array(encode(wide.astype(order), "TIFF"), 1) == GREY).all()


def test_palette(tmp_path):
    path = tmp_path / "p.png"
    Image.fromarray(GREY).convert("P").save(path)
    assert (as_array(path.read_bytes(), 3) == GREY[..., None]).all()


def test_one_bit(tmp_path):
    path = tmp_path / "b.png"
    Image.fromarray(GREY > 100).save(path)
    assert (as_array(path.read_bytes(), 1) == (GREY > 100) * 255).all()


def test_cmyk_jpeg(tmp_path):
    path = tmp_path / "c.jpg"
    Image.fromarray(RGB).convert("CMYK").save(path, quality=100)
    assert np.abs(as_array(path.read_bytes(), 3) - RGB).mean() < 12


def test_first_frame_of_an_animation(tmp_path):
    path = tmp_path / "a.gif"
    frames = [Image.fromarray(np.full((4, 4), value, np.uint8)) for value in (50, 200)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert (as_array(path.read_bytes(), 1) == 50).all()


def test_camera_orientation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise
    turned = as_array(encode(RGB, "PNG", exif=exif), 3)
    assert (turned == np.rot90(RGB, -1)).all()


@pytest.mark.parametrize(
    "encoded",
    [b"", b"no image", encode(RGB)[:-60], encode(RGB)[:40], encode(RGB, "JPEG")[:-40]],
    ids=["empty", "text", "truncated png", "header only", "truncated jpeg"],
)
def test_broken_files_raise_decode_error(encoded):
    with pytest.raises(DecodeError):
        decode(encoded, 3)


def test_postscript_is_not_run():
    with pytest.raises(DecodeError):
        decode(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", 3)


def png_header(height: int, width: int) -> bytes:
    """A PNG that promises pixels and holds none."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


@pytest.mark.parametrize("side", [9_000, 20_000])
def test_too_large_an_image_is_refused_from_its_header(side):
    with pytest.raises(DecodeError, match="exceed"):
        decode(png_header(side, side), 3, max_pixels=10_000)


def test_the_limit_of_pixels_is_inclusive():
    assert decode(encode(RGB), 3, max_pixels=99).size == (11, 9)
    with pytest.raises(DecodeError, match="11 x 9 pixels exceed the limit of 98"):
        decode(encode(RGB), 3, max_pixels=98)

"""Whatever an image file holds, it becomes 8-bit RGB or grey, or a DecodeError."""

from __future__ import annotations

import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from image_files import encode, pattern
from PIL import Image

from acmix.data import decode as decode_module
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


# What is beside the pixels makes no image corrupt


def png(*extra, after=(), end=True):
    """RGB as PNG with further chunks before, and after, its pixels."""
    header = struct.pack(">IIBBBBB", RGB.shape[1], RGB.shape[0], 8, 2, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in RGB)
    chunks = [(b"IHDR", header), *extra, (b"IDAT", zlib.compress(rows)), *after]
    chunks += [(b"IEND", b"")] * end
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*one) for one in chunks)


def chunk(kind, data, crc=None):
    crc = zlib.crc32(kind + data) if crc is None else crc
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)


LONG = zlib.compress(b"x" * 2**21)
BESIDE = {
    "long zTXt": (b"zTXt", b"prompt\0\0" + LONG),
    "long iTXt": (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + LONG),
    "damaged zTXt": (b"zTXt", b"prompt\0\0no zlib"),
    "text of a wrong checksum": (b"tEXt", b"a\0b", 0),
    "iTXt that is not UTF-8": (b"iTXt", b"a\0\0\0\0\0\xff\xfe"),
    "long colour profile": (b"iCCP", b"icc\0\0" + zlib.compress(bytes(2**24))),
    "damaged colour profile": (b"iCCP", b"icc\0\0no zlib"),
    "empty colour profile": (b"iCCP", b""),
    "damaged EXIF": (b"eXIf", b"MM\0*no exif"),
    "damaged gamma": (b"gAMA", b"1"),
    "damaged resolution": (b"pHYs", b"1"),
    "damaged time": (b"tIME", b"1"),
    "damaged chromaticity": (b"cHRM", b"12345"),
    "unknown": (b"prVt", bytes(99)),
}


@pytest.mark.parametrize("name", BESIDE)
def test_texts_and_profiles_of_a_sound_png_do_not_matter(name):
    assert (as_array(png(BESIDE[name]), 3) == RGB).all()
    assert (as_array(png(after=[BESIDE[name]]), 3) == RGB).all()


def test_many_texts_do_not_matter():
    texts = [(b"zTXt", b"t\0\0" + zlib.compress(bytes(2**20)))] * 80  # beyond MAX_TEXT_MEMORY
    assert (as_array(png(*texts), 3) == RGB).all()


def test_bytes_after_the_end_do_not_matter():
    assert (as_array(png() + bytes(1000), 3) == RGB).all()
    assert (as_array(png(end=False), 3) == RGB).all()
    jpeg = encode(RGB, "JPEG")
    assert (as_array(jpeg + bytes(1000), 3) == as_array(jpeg, 3)).all()


def test_a_png_whose_pixels_are_damaged_is_corrupt_with_or_without_texts():
    with pytest.raises(DecodeError):
        decode(png(BESIDE["long zTXt"])[:-30], 3)
    with pytest.raises(DecodeError):
        decode(png()[:60], 3)


def test_orientation_and_transparency_survive_the_removal_of_texts():
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = png(BESIDE["long zTXt"], (b"eXIf", exif.tobytes()[6:]))
    assert (as_array(turned, 3) == np.rot90(RGB, -1)).all()


def segment(marker, data):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(data) + 2) + data


@pytest.mark.parametrize(
    "data",
    [
        segment(0xE1, b"Exif\0\0no tiff"),
        segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\xff"),
        segment(0xE1, b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + bytes(20)),
        segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation='ninety'>"),
        segment(0xE2, b"ICC_PROFILE\0\x01\x02short"),
        segment(0xE2, b"MPF\0II*\0\xff\xff\xff\xff"),
        segment(0xED, b"Photoshop 3.0\x008BIM\x04"),
        segment(0xFE, b"\xff\xfe comment"),
    ],
)
def test_damaged_metadata_of_a_sound_jpeg_do_not_matter(data):
    jpeg = encode(RGB, "JPEG")
    assert (as_array(jpeg[:2] + data + jpeg[2:], 3) == as_array(jpeg, 3)).all()


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_orientations_of_all_formats(file_format, orientation):
    """Against the definition: row 0 and column 0 of the file are these sides of the scene."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    flat = np.zeros((16, 32, 3), np.uint8)
    flat[:8, :16] = 255  # white at the file's first row and first column
    options = {"lossless": True} if file_format == "WEBP" else {}
    seen = as_array(encode(flat, file_format, exif=exif, **options), 1) > 128
    assert seen.shape == ((16, 32) if orientation < 5 else (32, 16))
    row, column = {
        1: ("top", "left"), 2: ("top", "right"), 3: ("bottom", "right"), 4: ("bottom", "left"),
        5: ("left", "top"), 6: ("right", "top"), 7: ("right", "bottom"), 8: ("left", "bottom"),
    }[orientation]  # fmt: skip
    sides = {row, column}
    top, left = np.argwhere(seen).min(0)
    assert top == (0 if "top" in sides else seen.shape[0] // 2)
    assert left == (0 if "left" in sides else seen.shape[1] // 2)


def test_an_orientation_out_of_range_is_ignored():
    exif = Image.Exif()
    exif[0x0112] = 9
    assert (as_array(encode(RGB, "PNG", exif=exif), 3) == RGB).all()


# Other kinds of pixels


def test_a_palette_with_transparency_keeps_its_colours():
    image = Image.fromarray(RGB).quantize(16)
    for transparency in (3, bytes([0, 128, 255])):
        buffer = io.BytesIO()
        image.save(buffer, "PNG", transparency=transparency)
        assert (as_array(buffer.getvalue(), 3) == np.asarray(image.convert("RGB"))).all()


def test_grey_with_alpha_is_the_grey():
    buffer = io.BytesIO()
    Image.merge("LA", [Image.fromarray(GREY), Image.new("L", GREY.shape[::-1], 7)]).save(
        buffer, "PNG"
    )
    assert (as_array(buffer.getvalue(), 1) == GREY).all()


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_of_several_frames_is_taken(file_format):
    buffer = io.BytesIO()
    frames = [Image.fromarray(np.full((4, 4, 3), value, np.uint8)) for value in (50, 200)]
    options = {"lossless": True} if file_format == "WEBP" else {}
    frames[0].save(buffer, file_format, save_all=True, append_images=frames[1:], **options)
    assert (as_array(buffer.getvalue(), 1) == 50).all()


# Bounds


def bomb(file_format):
    """A file whose header promises 60,000 x 60,000 pixels."""
    if file_format == "PNG":
        return png_header(60_000, 60_000)
    if file_format == "BMP":
        return b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 60_000, 60_000, 1, 24,
                                   0, 0, 0, 0, 0, 0)  # fmt: skip
    if file_format == "GIF":
        whole = encode(GREY, "GIF")
        return whole[:6] + struct.pack("<HH", 60_000, 60_000) + whole[10:]
    if file_format == "PPM":
        return b"P6 60000 60000 255\n"
    tags = [(256, 60_000), (257, 60_000), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)


@pytest.mark.parametrize("file_format", ["PNG", "BMP", "GIF", "PPM", "TIFF"])
def test_a_small_file_of_many_pixels_is_refused_by_its_header(file_format):
    with pytest.raises(DecodeError, match="exceed"):
        decode(bomb(file_format), 3)


def test_large_images_are_decoded_one_at_a_time_and_small_ones_beside_them(monkeypatch):
    monkeypatch.setattr(decode_module, "LARGE", 98)
    with ThreadPoolExecutor(1) as pool:
        with decode_module._one_large:
            large = pool.submit(decode, encode(RGB), 3)
            assert decode(encode(RGB[:2]), 3).size == (11, 2)
            with pytest.raises(TimeoutError):
                large.result(0.05)
        assert large.result(5).size == (11, 9)

"""Label files: the stored values of grey and palette PNG, and nothing else."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from pair_files import label_map, png
from PIL import Image, PngImagePlugin

from acmix.data.decode import DecodeError
from acmix.data.label_file import decode_labels, label_size

LABELS = label_map(9, 13)


def raw_png(values, bits, kind, palette=b""):
    """A PNG with ``bits`` per sample, written by hand: Pillow writes no grey of 2 and 4 bits."""

    def chunk(name, content):
        crc = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc)

    height, width = values.shape
    spread = np.unpackbits(values[..., None], axis=-1)[..., 8 - bits :].reshape(height, -1)
    lines = b"".join(b"\0" + line.tobytes() for line in np.packbits(spread, axis=-1))
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [
            chunk(b"IHDR", header),
            chunk(b"PLTE", palette) if palette else b"",
            chunk(b"IDAT", zlib.compress(lines)),
            chunk(b"IEND", b""),
        ]
    )


def test_grey_and_palette_give_the_values_not_the_colours():
    for encoded in (png(LABELS), png(LABELS, "P"), png(LABELS, "P", transparency=0)):
        found = decode_labels(encoded)
        assert found.dtype == np.uint8
        np.testing.assert_array_equal(found, LABELS)
        assert label_size(encoded) == (13, 9)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("kind", [0, 3])
def test_values_of_few_bits_are_not_scaled(bits, kind):
    values = np.random.default_rng(0).integers(2**bits, size=(5, 11), dtype=np.uint8)
    palette = bytes(range(3)) * 2**bits if kind == 3 else b""
    np.testing.assert_array_equal(decode_labels(raw_png(values, bits, kind, palette)), values)


def test_damaged_texts_do_not_matter():
    texts = PngImagePlugin.PngInfo()
    texts.add_text("made by", "x" * 2_000_000, zip=True)
    np.testing.assert_array_equal(decode_labels(png(LABELS, pnginfo=texts)), LABELS)


def other_format(name, **options):
    buffer = io.BytesIO()
    Image.fromarray(LABELS).save(buffer, name, **options)
    return buffer.getvalue()


COLOURS = np.stack([LABELS] * 3, axis=-1)


@pytest.mark.parametrize(
    ("encoded", "message"),
    [
        (png(COLOURS), r"holds colours \(RGB\) instead of classes; write the value of its class"),
        (png(np.stack([LABELS] * 2, axis=-1)), "holds transparency instead of classes"),
        (png(LABELS.astype(np.uint16)), "has 16 bits per pixel instead of 8"),
        (other_format("JPEG"), r"not a PNG file \(JPEG changes values\)"),
        (other_format("BMP"), "not a PNG file; write"),
        (b"", "not a PNG file"),
        (png(LABELS)[:60], "truncated|Truncated|broken|not an image"),
    ],
)
def test_what_holds_no_labels_is_refused_with_the_remedy(encoded, message):
    with pytest.raises(DecodeError, match=message):
        decode_labels(encoded)


def test_the_size_is_bounded_before_decoding():
    with pytest.raises(DecodeError, match="13 x 9 pixels exceed the limit of 100"):
        decode_labels(png(LABELS), 100)

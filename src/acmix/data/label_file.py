"""Read label files: PNG with a value for each pixel, grey or of a palette, of at most 8 bits."""

from __future__ import annotations

import struct

import numpy as np

from acmix.data.decode import DEFAULT_MAX_PIXELS, DecodeError, loaded
from acmix.data.png import SIGNATURE, pixels_alone

_GREY, _PALETTE, _GREY_AND_ALPHA = 0, 3, 4
_INDICES = "write the value of its class for each pixel, as grey or palette PNG of 8 bits"


def label_size(encoded: bytes) -> tuple[int, int]:
    """Return width and height of a label file, from its header.

    Raises:
        DecodeError: no PNG, or one of colours or of 16 bits.
    """
    return _header(encoded)[:2]


def decode_labels(encoded: bytes, max_pixels: int = DEFAULT_MAX_PIXELS) -> np.ndarray:
    """Return the values of a label file as they are stored: (H, W), uint8.

    Of a palette the indices count, not the colours; grey of 1, 2 and 4 bits is not scaled.
    Transparency, orientation and texts are ignored.

    Args:
        encoded: content of the file.
        max_pixels: maximum width x height, checked in the header.

    Raises:
        DecodeError: no PNG, of colours or of 16 bits, damaged, or too large.
    """
    _, _, bits, kind = _header(encoded)
    try:
        values = _values(encoded, max_pixels)
    except DecodeError:
        values = _values(pixels_alone(encoded), max_pixels)
    # Pillow spreads grey of 2 and 4 bits over 0..255; of 1 bit it makes truth values.
    return values // (255 // (2**bits - 1)) if kind == _GREY and bits in (2, 4) else values


def _values(encoded: bytes, max_pixels: int) -> np.ndarray:
    with loaded(encoded, ("PNG",), max_pixels) as image:
        if image.mode not in ("1", "L", "P"):
            raise DecodeError(f"not a label file (mode {image.mode}); {_INDICES}")
        return np.asarray(image).astype(np.uint8)


def _header(encoded: bytes) -> tuple[int, int, int, int]:
    """Return width, height, bits per sample and colour type."""
    if not encoded.startswith(SIGNATURE) or encoded[12:16] != b"IHDR" or len(encoded) < 26:
        jpeg = " (JPEG changes values)" if encoded.startswith(b"\xff\xd8\xff") else ""
        raise DecodeError(f"not a PNG file{jpeg}; {_INDICES}")
    width, height, bits, kind = struct.unpack_from(">IIBB", encoded, 16)
    if kind not in (_GREY, _PALETTE):
        what = "transparency" if kind == _GREY_AND_ALPHA else "colours (RGB)"
        raise DecodeError(f"holds {what} instead of classes; {_INDICES}")
    if bits > 8:
        raise DecodeError(f"has {bits} bits per pixel instead of 8; {_INDICES}")
    return width, height, bits, kind

"""From encoded bytes, trusted or not, to an upright 8-bit RGB or grey image."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

# Pillow knows dozens of formats; some run other programs (EPS) and most are never photographs.
_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "GIF", "TIFF", "PPM")
DEFAULT_MAX_PIXELS = 178_956_970
"""Pillow refuses larger images as decompression bombs."""


class DecodeError(Exception):
    """The bytes are not an image we can or want to decode; says why."""


def decode(encoded: bytes, channels: int, max_pixels: int = DEFAULT_MAX_PIXELS) -> Image.Image:
    """Decode an image file to 8 bits per channel.

    Grey, palette, CMYK and 16-bit images are converted, an alpha channel is dropped, the camera's
    orientation (EXIF) is applied, the first frame of an animation is taken.

    Args:
        encoded: content of the image file.
        channels: 1 for grey (mode ``L``), 3 for RGB.
        max_pixels: larger images are refused from their header, before memory is spent on them.

    Raises:
        DecodeError: not an image, truncated, or too large.
    """
    try:
        image: Image.Image = Image.open(io.BytesIO(encoded), formats=_FORMATS)
        width, height = image.size
        if width * height > max_pixels:
            raise DecodeError(f"{width} x {height} pixels exceed the limit of {max_pixels}")
        ImageOps.exif_transpose(image, in_place=True)
        if image.mode.startswith("I"):
            image = _from_16_bits(image)
        mode = "L" if channels == 1 else "RGB"
        if image.mode == mode:
            image.load()  # convert() would do so, but also copy
            return image
        return image.convert(mode)
    except DecodeError:
        raise
    except UnidentifiedImageError:
        raise DecodeError("not an image of a known format") from None
    # Broken files make Pillow's plugins raise nearly anything: OSError, SyntaxError, struct.error.
    except Exception as error:
        raise DecodeError(f"{error}" or type(error).__name__) from error


def _from_16_bits(image: Image.Image) -> Image.Image:
    """Keep the upper byte; Pillow's own conversion would clip all values above 255 to white."""
    pixels = np.asarray(image).astype(np.int64)
    return Image.fromarray(np.clip(pixels >> 8, 0, 255).astype(np.uint8))

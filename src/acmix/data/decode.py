"""Decode image files, trusted or not, to upright 8-bit RGB or grey images."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from acmix.errors import UserError

# Excludes Pillow's many other formats; some start other programs (EPS), few store photographs.
_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "GIF", "TIFF", "PPM")
DEFAULT_MAX_PIXELS = 178_956_970
"""Pillow refuses larger images as decompression bombs."""


class DecodeError(Exception):
    """The bytes are not an image of a supported format and size; the message is the reason."""


def decode(encoded: bytes, channels: int, max_pixels: int = DEFAULT_MAX_PIXELS) -> Image.Image:
    """Decode an image file to 8 bits per channel.

    Grey, palette, CMYK and 16-bit images are converted, and an alpha channel is dropped. The EXIF
    orientation is applied. Only the first frame of an animation is used.

    Args:
        encoded: content of the image file.
        channels: 1 for grey (mode ``L``), 3 for RGB.
        max_pixels: maximum width x height, checked in the header before memory is allocated.

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
            image.load()  # convert() would also copy the pixels
            return image
        return image.convert(mode)
    except DecodeError:
        raise
    except UnidentifiedImageError:
        raise DecodeError("not an image of a known format") from None
    # Pillow's plugins raise many types for broken files: OSError, SyntaxError, struct.error.
    except Exception as error:
        raise DecodeError(f"{error}" or type(error).__name__) from error


def read_image(path: str | Path, channels: int) -> Image.Image:
    """Decode an image file for prediction.

    Raises:
        UserError: the file does not exist or is not an image; names the path.
    """
    try:
        return decode(Path(path).read_bytes(), channels)
    except (OSError, DecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"cannot read image {path}: {reason}.") from error


def _from_16_bits(image: Image.Image) -> Image.Image:
    """Keep the upper byte; Pillow's conversion would clip all values above 255 to white."""
    pixels = np.asarray(image).astype(np.int64)
    return Image.fromarray(np.clip(pixels >> 8, 0, 255).astype(np.uint8))

"""Images that a caller gives to be predicted: files, their content, or decoded pixels."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from PIL import Image

from acmix.data.decode import DecodeError, decode, read_image, to_mode
from acmix.errors import UserError, check

ImageInput: TypeAlias = "str | Path | bytes | Image.Image | np.ndarray"
"""A path, the content of an image file, a PIL image, or an array of pixels: uint8 (H, W, C) of
1 (grey), 3 (RGB) or 4 (RGB and alpha, which is dropped) channels, or (H, W)."""

_CHANNELS = (1, 3, 4)


class NamedImage(str):
    """The name of an image in memory, with its pixels: it goes wherever the path of a file goes.

    Attributes:
        pixels: RGB.
    """

    pixels: Image.Image

    @classmethod
    def of(cls, image: ImageInput) -> str:
        """Return the path of an image file, or a name for what :func:`open_image` takes.

        Raises:
            UserError: it is no image; files are not looked at.
        """
        if isinstance(image, (str, Path)):
            return image if isinstance(image, cls) else str(image)
        pixels = open_image(image, 3)
        named = cls(image_name(pixels))
        # A copy, as the caller may change them before they are shown; without EXIF data, as they
        # are upright already.
        named.pixels = Image.fromarray(np.array(pixels))
        return named


def open_image(image: ImageInput, channels: int) -> Image.Image:
    """Decode an image as :func:`acmix.data.decode.decode` does, whatever it is given as.

    Args:
        image: see :data:`ImageInput`. The order of colours is RGB; OpenCV's is BGR.
        channels: 1 for grey (mode ``L``), 3 for RGB.

    Raises:
        UserError: the file does not exist; what is given is no image; or an array has channels
            first, a batch axis, another number of channels or other numbers than uint8.
    """
    if isinstance(image, NamedImage):
        return to_mode(image.pixels, channels)
    if isinstance(image, (str, Path)):
        return read_image(image, channels)
    try:
        if isinstance(image, bytes):
            return decode(image, channels)
        if isinstance(image, Image.Image):
            return to_mode(image, channels)
    except (OSError, ValueError, DecodeError) as error:  # ValueError: from conversions
        raise UserError(f"cannot read {image_name(image)}: {error}.") from error
    check(
        isinstance(image, np.ndarray),
        f"an image must be a path, bytes, a PIL image or a NumPy array, got {_kind(image)}."
        + (" Write image.asnumpy()." if hasattr(image, "asnumpy") else ""),
    )
    check_pixels(image)
    pixels = image[:, :, 0] if image.ndim == 3 and image.shape[2] == 1 else image
    return to_mode(Image.fromarray(np.ascontiguousarray(pixels)), channels)


def image_name(image: ImageInput) -> str:
    """Return the path of an image, or else words for it: ``an image of 640 x 480 pixels``."""
    if isinstance(image, (str, Path)):
        return str(image)
    if isinstance(image, bytes):
        return f"an image of {len(image)} bytes"
    width, height = image.size if isinstance(image, Image.Image) else image.shape[1::-1]
    return f"an image of {width} x {height} pixels"


def as_png(image: Image.Image) -> bytes:
    """Return the content of a PNG file."""
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


def check_pixels(pixels: np.ndarray) -> None:
    """Raise UserError unless an array is one image in NumPy's usual form, uint8 (H, W, C).

    The message names the change that makes it one.
    """
    shape = pixels.shape
    expected = f"an image must be uint8 (H, W, C), got {pixels.dtype} {shape}"
    check(
        len(shape) != 4,
        f"{expected}: this is a batch. Give a list of its images: list(images).",
    )
    check(len(shape) in (2, 3) and 0 not in shape, f"{expected}.")
    if len(shape) == 3 and shape[2] not in _CHANNELS:
        first = shape[0] in _CHANNELS
        remedy = "channels come first. Write image.transpose(1, 2, 0)"
        raise UserError(f"{expected}: {remedy if first else 'C must be 1, 3 or 4'}.")
    if pixels.dtype != np.uint8:
        raise UserError(f"{expected}: give values from 0 to 255.{_as_bytes(pixels)}")


def _as_bytes(pixels: np.ndarray) -> str:
    """Return what to write so that numbers become uint8; nothing where that is a guess."""
    if pixels.dtype.kind not in "fiu" or not (pixels.min() >= 0 and pixels.max() <= 255):
        return ""
    if pixels.dtype.kind == "f" and pixels.max() <= 1:
        return " Write (255 * image).round().astype(np.uint8)."
    return " Write image.astype(np.uint8)."


def _kind(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__name__}".removeprefix("builtins.")

"""Decode image files, trusted or not, to upright 8-bit RGB or grey images."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from threading import Lock

from PIL import Image, UnidentifiedImageError

from acmix.data.files import read_image_file
from acmix.data.png import SIGNATURE, pixels_alone
from acmix.data.value_range import to_8_bits
from acmix.errors import UserError

# Excludes Pillow's many other formats; some start other programs (EPS), few store photographs.
_FORMATS = ("JPEG", "PNG", "BMP", "WEBP", "GIF", "TIFF", "PPM")
_JPEG = b"\xff\xd8\xff"
Box = tuple[float, float, float, float]
"""Left, top, width and height in pixels."""

DEFAULT_MAX_PIXELS = 178_956_970
"""Pillow refuses larger images as decompression bombs."""
LARGE = 2**25
"""Pixels from which images are decoded one at a time: threads together take no more memory than
one of the largest images and one of this size for each of them."""

_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
QUARTER_TURNS = range(5, 9)
"""EXIF orientations that swap width and height."""
_one_large: AbstractContextManager[object] = Lock()


class DecodeError(Exception):
    """The bytes are not an image of a supported format and size; the message is the reason."""


def decode(encoded: bytes, channels: int, max_pixels: int = DEFAULT_MAX_PIXELS) -> Image.Image:
    """Decode an image file to 8 bits per channel.

    Grey, palette, CMYK and 16-bit images are converted, and an alpha channel is dropped; other
    ranges of values are scaled by :func:`acmix.data.value_range.to_8_bits`. The EXIF orientation is
    applied. Only the first frame of an animation is used. Texts and colour profiles are ignored,
    damaged or not.

    Args:
        encoded: content of the image file.
        channels: 1 for grey (mode ``L``), 3 for RGB.
        max_pixels: maximum width x height, checked in the header before memory is allocated.

    Raises:
        DecodeError: not an image, truncated, too large, or its values have no known white.
    """
    try:
        return _decode(encoded, channels, max_pixels)
    except DecodeError:
        if not encoded.startswith(SIGNATURE):
            raise
        return _decode(pixels_alone(encoded), channels, max_pixels)


def decode_for_crop(
    encoded: bytes,
    channels: int,
    max_pixels: int,
    draw: Callable[[int, int], Box],
    least: int,
) -> tuple[Image.Image, Box]:
    """Decode an image file of which a box will be reduced, at a smaller size if that is enough.

    JPEG stores blocks of 8 x 8 pixels as frequencies. Without the upper half of them an image has
    half the size, and neither its unneeded pixels nor their resizing take time.

    Args:
        encoded, channels, max_pixels: as for :func:`decode`.
        draw: returns the box for the width and height of the upright image; called once.
        least: pixels that the box must have along both axes in a smaller image.

    Returns:
        The image, upright, and the box in its pixels.

    Raises:
        DecodeError: as for :func:`decode`.
    """
    found: list[Box] = []

    def reduce(image: Image.Image) -> None:
        turn = _orientation(image)
        width, height = image.size
        box = draw(height, width) if turn in QUARTER_TURNS else draw(width, height)
        found.append(box)
        for divisor in (8, 4, 2):
            # The last pixel of a turned image would be the first, and stand for fewer.
            whole = turn == 1 or width % divisor == height % divisor == 0
            if min(box[2:]) >= least * divisor and whole:
                image.draft(None, (width // divisor, height // divisor))
                divisor = round(width / image.width)
                left, top, wide, high = (side / divisor for side in box)
                found[0] = left, top, wide, high
                return

    if encoded.startswith(_JPEG):
        image = _decode(encoded, channels, max_pixels, reduce)
    else:
        image = decode(encoded, channels, max_pixels)
    return image, found[0] if found else draw(*image.size)


def decode_large_under(lock: AbstractContextManager[object]) -> None:
    """Decode images of more than :data:`LARGE` pixels under a lock of several processes."""
    global _one_large
    _one_large = lock


def turned_by(encoded: bytes) -> int:
    """Return the EXIF orientation of an image file; 1 is upright."""
    try:
        return _orientation(Image.open(io.BytesIO(encoded), formats=_FORMATS))
    except Exception:  # as below
        return 1


def size_mismatch(
    encoded: bytes, size: tuple[int, int], expected: tuple[int, int], what: str
) -> str | None:
    """Return why an image does not have the size that something is for; None if it does.

    Args:
        encoded: content of the image file.
        size: width and height after decoding.
        expected: width and height that it must have.
        what: what has that size, such as ``annotations``.
    """
    if size == expected:
        return None
    reason = (
        f"has {size[0]} x {size[1]} pixels, but its {what} are for {expected[0]} x {expected[1]}"
    )
    if turned_by(encoded) in QUARTER_TURNS and size[::-1] == expected:
        reason += (
            ", its size before it is turned upright as its EXIF data say; "
            f"remove that entry if the {what} fit the image as stored"
        )
    return reason


def read_image(path: str | Path, channels: int) -> Image.Image:
    """Decode an image file for prediction.

    Raises:
        UserError: the file does not exist or is not an image; names the path.
    """
    try:
        return decode(read_image_file(str(path)), channels)
    except (OSError, DecodeError) as error:
        raise UserError(f"cannot read image {path}: {error}.") from error


def _decode(
    encoded: bytes,
    channels: int,
    max_pixels: int,
    prepare: Callable[[Image.Image], None] = lambda image: None,
) -> Image.Image:
    with loaded(encoded, _FORMATS, max_pixels, prepare) as image:
        return to_mode(image, channels)


def to_mode(image: Image.Image, channels: int) -> Image.Image:
    """Return an image upright, in grey (1 channel) or RGB (3), with 8 bits per channel."""
    turn = _TURNS.get(_orientation(image))
    if image.mode.startswith(("I", "F")):
        image = to_8_bits(image)
    mode = "L" if channels == 1 else "RGB"
    if image.mode != mode:  # convert() would copy the pixels anyway
        image = image.convert(mode)
    return image if turn is None else image.transpose(turn)


@contextmanager
def loaded(
    encoded: bytes,
    formats: tuple[str, ...],
    max_pixels: int,
    prepare: Callable[[Image.Image], None] = lambda image: None,
) -> Iterator[Image.Image]:
    """Open an image file and read its pixels as they are stored.

    Args:
        encoded: content of the image file.
        formats: Pillow's names of the formats that are known.
        max_pixels: maximum width x height, checked in the header before memory is allocated.
        prepare: is given the image before its pixels are read.

    Raises:
        DecodeError: not such an image, truncated or too large; also for whatever the body raises.
    """
    try:
        image: Image.Image = Image.open(io.BytesIO(encoded), formats=formats)
        width, height = image.size
        if width * height > max_pixels:
            raise DecodeError(f"{width} x {height} pixels exceed the limit of {max_pixels}")
        prepare(image)
        with _one_large if width * height > LARGE else nullcontext():
            image.load()  # turns TIFF upright, and removes its orientation
            yield image
    except DecodeError:
        raise
    except UnidentifiedImageError:
        raise DecodeError("not an image of a known format") from None
    except MemoryError:
        raise DecodeError("needs more memory than there is") from None
    # Pillow's plugins raise many types for broken files: OSError, SyntaxError, struct.error.
    except Exception as error:
        raise DecodeError(f"{error}" or type(error).__name__) from error


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation; 1, upright, where the EXIF data are missing or damaged."""
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # of many types: the data are parsed without a check
        return 1

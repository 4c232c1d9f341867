"""Images whose values are not 8 bits: 16 and 32-bit integers, and floats."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image

_BAND = 2**20  # values that are converted at once


def to_8_bits(image: Image.Image) -> Image.Image:
    """Scale a grey image of mode ``I``, ``I;16*`` or ``F`` to 8 bits.

    White is the smallest of 255, 4095 and 65535 that is not less than the largest value: 8, 12 or
    16 bits. For floats it is 1 where no value is larger. Of integers the upper 8 of these bits are
    kept; floats are rounded.

    Raises:
        ValueError: a value is NaN, infinite, negative or larger than 65535.
    """
    limits = np.array([(band.min(), band.max()) for band in _bands(image)], np.float64)
    low, high = limits.min(), limits.max()  # NaN if any is
    if not np.isfinite([low, high]).all():
        raise ValueError("holds NaN or Inf; replace them")
    if low < 0 or high > 65535:
        raise ValueError(
            f"holds values from {low:g} to {high:g}, and which is white is unknown; scale them to "
            "0..255, 0..65535 or, as floats, 0..1"
        )
    result = np.empty((image.height, image.width), np.uint8)
    start = 0
    for band in _bands(image):
        result[start : start + len(band)] = _scaled(band, float(high))
        start += len(band)
    return Image.fromarray(result)


def _bands(image: Image.Image) -> Iterator[np.ndarray]:
    """Yield the values of some rows after others: a copy of all may take gigabytes."""
    rows = max(1, _BAND // image.width)
    for top in range(0, image.height, rows):
        yield np.asarray(image.crop((0, top, image.width, min(top + rows, image.height))))


def _scaled(values: np.ndarray, high: float) -> np.ndarray:
    bits = next(bits for bits in (8, 12, 16) if high <= 2**bits - 1)
    if values.dtype.kind != "f":
        return values >> (bits - 8)
    white = 1 if high <= 1 else 2**bits - 1
    return np.rint(values.astype(np.float64) * (255 / white))

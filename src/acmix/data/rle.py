"""COCO's segmentations of single objects: checked, and converted to compressed RLE.

pycocotools hangs, crashes or returns memory of others for segmentations that are not well formed,
so everything from a file passes :func:`read_segmentation` first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from acmix.errors import UserError, check
from acmix.utils.text import shorten

KEY = "segmentation"
"""Key of an annotation's mask in COCO's files."""

# pycocotools walks along each edge in steps of 1/5 pixel, so time and memory grow with the length.
_FAR = 100_000
_MAX_SIDE = 2**20
# pycocotools keeps lengths of runs in 32 bits.
_MAX_RUN = 2**32
# Characters of compressed counts hold 6 bits each from here on: 5 of the value and one for "more".
_FIRST = 48
_MAX_CHARACTERS = 7


def encode(mask: np.ndarray) -> bytes:
    """Return the compressed counts of a bitmap (h, w), column by column as in COCO's files."""
    counts: bytes = coco_mask.encode(np.asfortranarray(mask, np.uint8))["counts"]
    return counts


def decode(counts: bytes, height: int, width: int) -> np.ndarray:
    """Return the bitmap (h, w) uint8 of compressed counts that :func:`read_segmentation` made."""
    bitmap: np.ndarray = coco_mask.decode({"size": [height, width], "counts": counts})
    return bitmap


def to_json(counts: bytes, height: int, width: int) -> dict[str, Any]:
    """Return compressed counts as a segmentation that JSON can hold."""
    return {"size": [height, width], "counts": counts.decode("ascii")}


def with_mask(annotation: dict[str, Any], height: int, width: int) -> dict[str, Any]:
    """Return an annotation with its mask checked and as RLE, and with its area if it has none.

    Raises:
        UserError: see :func:`read_segmentation`.
    """
    name = f"the annotation of id {annotation.get('id')} of image {annotation['image_id']}"
    mask = to_json(read_segmentation(annotation.get(KEY), height, width, name), height, width)
    return {"area": float(coco_mask.area(mask))} | annotation | {KEY: mask}


def read_segmentation(segmentation: Any, height: int, width: int, name: str) -> bytes:
    """Return a segmentation as compressed counts of an image of ``height`` x ``width`` pixels.

    Takes the three forms of COCO: a list of polygons ``[x, y, x, y, ...]``, whose union it is;
    ``{"size": [h, w], "counts": [...]}``; and the same with compressed counts as a string.
    Polygons with fewer than three points, without area or outside of the image add nothing, so the
    mask may be empty, as in mmdetection.

    Args:
        segmentation: from the JSON file.
        height, width: of the image in pixels.
        name: of the annotation and its image, for messages.

    Raises:
        UserError: it is none of these forms, a polygon has an odd number of coordinates or one
            that is not finite or very far away, the counts do not fill the image exactly, or the
            image is too large for pycocotools.
    """
    check(
        max(height, width) <= _MAX_SIDE and height * width < _MAX_RUN,
        f"{name}: masks are for images of sides up to {_MAX_SIDE} and fewer than 2^32 pixels; its "
        f"image has {width} x {height}. Cut it into tiles.",
    )
    if isinstance(segmentation, list):
        return _from_polygons(segmentation, height, width, name)
    if not (isinstance(segmentation, dict) and {"size", "counts"} <= segmentation.keys()):
        raise UserError(
            f"{name} has segmentation={_brief(segmentation)}; it must be a list of polygons "
            "[[x, y, x, y, ...], ...] or an object with 'size' and 'counts'. Correct it, or remove "
            "the annotation."
        )
    size, counts = segmentation["size"], segmentation["counts"]
    check(
        isinstance(size, list | tuple) and list(size) == [height, width],
        f"{name} has a segmentation of size={_brief(size)}; it must be [height, width] of its "
        f"image, {[height, width]}. Correct the size, or convert the mask to it.",
    )
    if isinstance(counts, str | bytes):
        text = counts.encode("utf-8", "replace") if isinstance(counts, str) else counts
        _check_runs(_runs(text, name), height, width, name)
        return text
    whole = isinstance(counts, list) and set(map(type, counts)) <= {int}
    if not whole or not all(0 <= one < _MAX_RUN for one in counts):
        raise UserError(
            f"{name} has a segmentation with counts={_brief(counts)}; they must be a string, or a "
            "list of whole numbers that are not negative. Convert the mask again."
        )
    _check_runs(np.array(counts, np.int64), height, width, name)
    return _from_runs(counts, height, width)


def _from_polygons(polygons: list[Any], height: int, width: int, name: str) -> bytes:
    kept = []
    for number, polygon in enumerate(polygons):
        _check_polygon(polygon, number, max(_FAR, 2 * height, 2 * width), name)
        x, y = polygon[::2], polygon[1::2]
        if len(x) >= 3 and max(x) > 0 and min(x) < width and max(y) > 0 and min(y) < height:
            kept.append(polygon)
    if not kept:
        return _from_runs([height * width], height, width)
    union: bytes = coco_mask.merge(coco_mask.frPyObjects(kept, height, width))["counts"]
    return union


def _from_runs(runs: list[int], height: int, width: int) -> bytes:
    rle = coco_mask.frPyObjects({"size": [height, width], "counts": runs}, height, width)
    counts: bytes = rle["counts"]
    return counts


def _check_polygon(polygon: Any, number: int, far: int, name: str) -> None:
    # Messages are made only for what is wrong: the texts of long polygons take longer than checks.
    numbers = isinstance(polygon, list) and set(map(type, polygon)) <= {int, float}
    if not numbers or len(polygon) % 2:
        raise UserError(
            f"{name}: polygon {number} of its segmentation is {_brief(polygon)}; it must be a list "
            "[x, y, x, y, ...] of an even number of coordinates. Correct or remove it."
        )
    wrong = [one for one in polygon if not -far <= one <= far]
    if wrong:
        raise UserError(
            f"{name}: polygon {number} of its segmentation has the coordinate "
            f"{_brief(wrong[:1])[1:-1]}; coordinates are pixels, finite and at most {far} from the "
            "corner of the image. Correct or remove it."
        )


def _runs(text: bytes, name: str) -> np.ndarray:
    """Return the lengths of the runs in compressed counts, as ``rleFrString`` of COCO reads them.

    Each length takes one or more characters, lowest bits first. From the fourth on, they are
    differences to the length before the previous one.
    """
    codes = np.frombuffer(text, np.uint8).astype(np.int64) - _FIRST
    ends = np.flatnonzero(codes & 0x20 == 0)
    starts = np.concatenate([[0], ends[:-1] + 1])
    whole = len(codes) > 0 and len(ends) > 0 and ends[-1] == len(codes) - 1
    in_range = ((codes >= 0) & (codes < 64)).all()
    if not (whole and in_range and (ends - starts).max() < _MAX_CHARACTERS):
        raise UserError(
            f"{name} has a segmentation with counts={_brief(text)}, which are no compressed counts "
            "of pycocotools. Convert the mask again."
        )
    place = np.arange(len(codes)) - np.repeat(starts, ends - starts + 1)
    runs = np.add.reduceat((codes & 0x1F) << (5 * place), starts)
    negative = codes[ends] & 0x10 != 0
    runs = np.where(negative, runs - (1 << 5 * (ends - starts + 1)), runs)
    for first in (1, 2):
        runs[first::2] = np.cumsum(runs[first::2])
    return runs


def _check_runs(runs: Sequence[int] | np.ndarray, height: int, width: int, name: str) -> None:
    total = int(np.sum(runs))
    check(
        total == height * width and not np.any(np.less(runs, 0)),
        f"{name} has a segmentation whose counts add up to {total} pixels; the image has "
        f"{height * width}, and no count may be negative. Convert the mask again.",
    )


def _brief(value: object) -> str:
    return shorten(repr(value), 80)

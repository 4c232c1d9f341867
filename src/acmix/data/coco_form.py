"""Check annotations in COCO format, and convert them to records."""

from __future__ import annotations

import logging
import sys
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from acmix.data import rle
from acmix.data.annotations import Record
from acmix.data.instance_masks import InstanceMasks
from acmix.data.names import check_utf8, composed, listed
from acmix.errors import UserError, check
from acmix.utils.text import first_few, shorten

_logger = logging.getLogger(__name__)

_MAX_FLOAT = sys.float_info.max
_MAX_SIDE = 2**31
# Required keys; annotations may also have ``area`` and ``iscrowd``.
_KEYS = {
    "images": ("id", "file_name", "width", "height"),
    "annotations": ("image_id", "category_id", "bbox"),
    "categories": ("id", "name"),
}


def read_categories(tree: dict[str, Any], source: str) -> dict[int, str]:
    """Return the category names by id, in ascending order of the ids.

    Names are in Unicode's composed form; those that several categories share get their ids added.

    Raises:
        UserError: see :func:`read_records`.
    """
    categories = _entries(tree, "categories", source)
    check(bool(categories), f"{source}: 'categories' is empty, so there is nothing to detect.")
    _positions(categories, "categories", source)
    names = {category["id"]: category["name"] for category in categories}
    wrong = [i for i, name in names.items() if not _is_id(i) or not isinstance(name, str)]
    check(
        not wrong,
        f"{source}: category {wrong[:1]} must have a whole number as 'id' and a string as 'name'.",
    )
    check_utf8(names.values(), "categories", source)
    texts = {i: composed(names[i]) for i in sorted(names)}
    repeated = Counter(texts.values())
    return {i: f"{text} (id {i})" if repeated[text] > 1 else text for i, text in texts.items()}


def report_unused(categories: dict[int, str], records: Sequence[Record], source: str) -> None:
    """Log the categories that have no object, such as the root that Roboflow writes."""
    used = {int(label) for record in records for label in record.labels}
    unused = [
        f"'{name}' (id {i})" for k, (i, name) in enumerate(categories.items()) if k not in used
    ]
    if unused:
        _logger.warning(
            "%s: %d of %d categories have no objects: %s. The network has an output for each all "
            "the same. Remove what is no class, such as Roboflow's root category, from the "
            "annotations of both splits.", source, len(unused), len(categories), listed(unused),
        )  # fmt: skip


def read_records(tree: dict[str, Any], source: str, masks: bool = False) -> tuple[Record, ...]:
    """Return the images of COCO annotations, in file order.

    Category ids need not be contiguous: labels are 0..K-1 in the order of the ids. Boxes are
    clipped to the image; boxes without area are dropped and their number is logged.

    Args:
        tree: parsed JSON.
        source: name of the annotations for messages.
        masks: whether to read the masks of the objects too; objects with an empty mask are dropped
            and their number is logged.

    Raises:
        UserError: a key is missing, an annotation refers to an unknown image or category, a box is
            not four finite numbers or has a negative side, a size is invalid, or an id is repeated;
            with ``masks``, see :func:`acmix.data.rle.read_segmentation`.
    """
    images = _entries(tree, "images", source)
    annotations = _entries(tree, "annotations", source)
    owner = _lookup(annotations, "image_id", _positions(images, "images", source), source)
    label_of = {category: label for label, category in enumerate(read_categories(tree, source))}
    labels = _lookup(annotations, "category_id", label_of, source)
    _check_images(images, source)
    _check_annotations(annotations, source)
    boxes = _clipped_boxes(images, annotations, owner)
    box_areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    labels = labels.astype(np.int32)
    areas = np.array(
        [one.get("area", area) for one, area in zip(annotations, box_areas, strict=True)], float
    )
    crowd = np.array([one.get("iscrowd", 0) for one in annotations], bool)

    kept = np.flatnonzero(box_areas > 0)
    if len(kept) < len(boxes):
        _logger.warning(
            "%s: %d of %d boxes have no area inside of their image and are left out.",
            source, len(boxes) - len(kept), len(boxes),
        )  # fmt: skip
    kept = kept[np.argsort(owner[kept], kind="stable")]
    owned = np.split(kept, np.searchsorted(owner[kept], np.arange(1, len(images))))
    records = [
        Record(
            image["file_name"], image["id"], image["width"], image["height"],
            boxes[own], labels[own], areas[own], crowd[own],
        )
        for image, own in zip(images, owned, strict=False)
    ]  # fmt: skip
    if not masks:
        return tuple(records)
    return _with_masks(records, annotations, owned, source)


def _with_masks(
    records: list[Record],
    annotations: list[dict[str, Any]],
    owned: list[np.ndarray],
    source: str,
) -> tuple[Record, ...]:
    """Add the masks of the annotations ``owned`` by each record; drop objects without a pixel."""
    found, dropped = [], 0
    for record, own in zip(records, owned, strict=False):
        size = record.height, record.width
        counts = [
            rle.read_segmentation(
                annotations[i].get(rle.KEY), *size, f"{source}: {_name(annotations, i)}"
            )
            for i in own
        ]
        whole = InstanceMasks(*size, tuple(counts))
        kept = np.flatnonzero(whole.areas() > 0)
        dropped += len(own) - len(kept)
        found.append(replace(record, masks=whole).select(kept))
    if dropped:
        _logger.warning(
            "%s: %d objects have masks without a pixel inside of their image and are left out.",
            source, dropped,
        )  # fmt: skip
    return tuple(found)


def _clipped_boxes(
    images: list[dict[str, Any]], annotations: list[dict[str, Any]], owner: np.ndarray
) -> np.ndarray:
    """Return all boxes as (n, 4) xyxy, clipped to their images."""
    boxes = np.array([one["bbox"] for one in annotations], float).reshape(-1, 4)
    with np.errstate(over="ignore"):  # infinity is cut like any other
        boxes[:, 2:] += boxes[:, :2]
    sizes = np.array([(image["width"], image["height"]) for image in images], float)
    return np.clip(boxes, 0, np.tile(sizes.reshape(-1, 2)[owner], 2))


def _entries(tree: Any, name: str, source: str) -> list[dict[str, Any]]:
    """Return the list ``name`` of ``tree`` after checking the required keys of its entries."""
    entries = tree.get(name) if isinstance(tree, dict) else None
    check(
        isinstance(entries, list),
        f"{source} has no list '{name}', so it is not of COCO's form for instances: an object with "
        f"the lists {', '.join(_KEYS)}.",
    )
    for position, entry in enumerate(entries or ()):
        missing = [key for key in _KEYS[name] if not isinstance(entry, dict) or key not in entry]
        check(
            not missing,
            f"{source}: {name}[{position}] lacks {', '.join(map(repr, missing))}; "
            f"each must have {', '.join(_KEYS[name])}.",
        )
    return entries or []


def _positions(entries: list[dict[str, Any]], name: str, source: str) -> dict[Any, int]:
    """Return the position of each id."""
    positions: dict[Any, int] = {}
    for position, entry in enumerate(entries):
        key = entry["id"]
        check(
            isinstance(key, Hashable) and key not in positions,
            f"{source}: {name}[{position}] has the id {key!r}; it must be a number that "
            "no other has.",
        )
        positions[key] = position
    return positions


def _lookup(
    annotations: list[dict[str, Any]], key: str, known: dict[Any, int], source: str
) -> np.ndarray:
    """Return the value in ``known`` for ``key`` of each annotation."""
    found = np.empty(len(annotations), np.int64)
    for i, annotation in enumerate(annotations):
        value = annotation[key]
        position = known.get(value) if isinstance(value, Hashable) else None
        if position is None:
            raise UserError(
                f"{source}: {_name(annotations, i)} has {key}={value!r}, which is not in "
                f"'{'images' if key == 'image_id' else 'categories'}'. Add it there, or remove "
                "the annotation."
            )
        found[i] = position
    return found


def _check_annotations(annotations: list[dict[str, Any]], source: str) -> None:
    for i, annotation in enumerate(annotations):
        box = annotation["bbox"]
        check(
            isinstance(box, list) and len(box) == 4 and _finite(box) and min(box[2:]) >= 0,
            f"{source}: {_name(annotations, i)} has bbox={box!r}; it must be [x, y, width, height] "
            "of finite numbers, width and height not negative. Correct or remove it.",
        )
        area, crowd = annotation.get("area", 0), annotation.get("iscrowd", 0)
        check(
            _finite([area]) and area >= 0 and crowd in (0, 1),
            f"{source}: {_name(annotations, i)} has {area=}, iscrowd={crowd!r}; they must be a "
            "finite number that is not negative, and 0 or 1. Correct them or leave them out.",
        )


def _finite(values: list[Any]) -> bool:
    """Return whether all values are numbers that a float can hold."""
    return all(type(value) in (int, float) and abs(value) <= _MAX_FLOAT for value in values)


def _check_images(images: list[dict[str, Any]], source: str) -> None:
    ids = [image["id"] for image in images]
    wrong = [i for i in ids if not (_is_id(i) or isinstance(i, str))]
    check(
        not wrong and len({type(i) for i in ids}) <= 1,
        f"{source}: the ids of images must be whole numbers, or all strings; got "
        f"{first_few([repr(i) for i in wrong or ids], 3)}.",
    )
    for position, image in enumerate(images):
        name, width, height = (image[key] for key in ("file_name", "width", "height"))
        check(
            isinstance(name, str)
            and all(type(side) is int and 0 < side < _MAX_SIDE for side in (width, height)),
            f"{source}: images[{position}] has file_name={shorten(repr(name))}, {width=}, "
            f"{height=}; they must be a string and two whole numbers of at least 1.",
        )


def _is_id(value: object) -> bool:
    """Return whether a value is a whole number that NumPy, and so pycocotools, keeps exactly."""
    return type(value) is int and abs(value) < 2**53


def _name(annotations: list[dict[str, Any]], position: int) -> str:
    annotation = annotations[position]
    return f"annotations[{position}] (id {annotation.get('id')}, image {annotation['image_id']})"

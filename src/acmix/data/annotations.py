"""`DetectionSamples`: images with boxes, read from annotations in COCO format."""

from __future__ import annotations

import io
import logging
import math
from collections.abc import Callable, Hashable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pycocotools.coco import COCO

from acmix.errors import UserError, check

_logger = logging.getLogger(__name__)

# Required keys; annotations may also have ``area`` and ``iscrowd``.
_KEYS = {
    "images": ("id", "file_name", "width", "height"),
    "annotations": ("image_id", "category_id", "bbox"),
    "categories": ("id", "name"),
}


@dataclass(frozen=True)
class Record:
    """One image and its boxes, including crowds.

    Attributes:
        name: file name as in the annotations.
        image_id: COCO id of the image.
        width: in pixels.
        height: in pixels.
        boxes: (n, 4) float64, xyxy in pixels, inside the image, with positive area.
        labels: (n,) int32.
        areas: (n,) float64, object areas in pixels; box areas where the annotation has none.
        crowd: (n,) bool, whether a box contains many objects of one class.
    """

    name: str
    image_id: int
    width: int
    height: int
    boxes: np.ndarray
    labels: np.ndarray
    areas: np.ndarray
    crowd: np.ndarray

    def to_list(self) -> list[Any]:
        """Return all but the name as values that JSON can hold."""
        arrays = (self.boxes, self.labels, self.areas, self.crowd)
        return [self.image_id, self.width, self.height, *(array.tolist() for array in arrays)]

    @property
    def is_empty(self) -> bool:
        """Whether the image has no box for training; crowds are not used."""
        return bool(self.crowd.all())


@dataclass(frozen=True)
class DetectionSamples:
    """Encoded images of one split with their boxes; images are read on demand.

    Attributes:
        categories: names by COCO category id, in the order of the labels.
        records: annotations of each image.
        names: name of each image for messages (a path).
        read: returns the encoded bytes of image ``i`` of ``records``; may raise OSError.
        tree: returns the annotations in COCO format, of these images at least.
    """

    categories: dict[int, str]
    records: tuple[Record, ...]
    names: tuple[str, ...]
    read: Callable[[int], bytes]
    tree: Callable[[], dict[str, Any]]

    def __len__(self) -> int:
        return len(self.records)

    @property
    def keys(self) -> tuple[str, ...]:
        """Name of each image as in the annotations."""
        return tuple(record.name for record in self.records)

    def select(self, indices: Sequence[int]) -> DetectionSamples:
        """Return the samples at ``indices``, in that order."""
        kept = tuple(indices)
        read = self.read
        return replace(
            self,
            records=tuple(self.records[i] for i in kept),
            names=tuple(self.names[i] for i in kept),
            read=lambda i: read(kept[i]),
        )

    def missing_in(self, kept: DetectionSamples) -> tuple[str, ...]:
        """Report the split if ``kept`` is empty; a split need not contain every class."""
        return () if len(kept) else ("the split",)

    def ground_truth(self) -> COCO:
        """Return the annotations of exactly these images as a pycocotools object."""
        tree = self.tree()
        chosen = {record.image_id for record in self.records}
        annotations = [one for one in tree["annotations"] if one["image_id"] in chosen]
        coco = COCO()
        coco.dataset = {
            # COCO.loadRes requires this key.
            "info": tree.get("info", {}),
            "images": [image for image in tree["images"] if image["id"] in chosen],
            "categories": tree["categories"],
            "annotations": [
                _complete(one, number) for number, one in enumerate(annotations, start=1)
            ],
        }
        with redirect_stdout(io.StringIO()):
            coco.createIndex()
        return coco


def drop_empty(samples: DetectionSamples) -> DetectionSamples:
    """Drop the images without boxes for training, and log their number."""
    kept = [i for i, record in enumerate(samples.records) if not record.is_empty]
    if len(kept) < len(samples):
        _logger.info(
            "%d of %d images have no boxes and are left out (data.empty_images=skip).",
            len(samples) - len(kept), len(samples),
        )  # fmt: skip
    return samples.select(kept)


def _complete(annotation: dict[str, Any], number: int) -> dict[str, Any]:
    """Add the keys that COCOeval requires; ids start at 1, since it treats id 0 as unmatched."""
    width, height = annotation["bbox"][2:]
    return {"area": width * height, "iscrowd": 0} | annotation | {"id": number}


def read_categories(tree: dict[str, Any], source: str) -> dict[int, str]:
    """Return the category names by id, in ascending order of the ids.

    Raises:
        UserError: see :func:`read_records`.
    """
    categories = _entries(tree, "categories", source)
    check(bool(categories), f"{source}: 'categories' is empty, so there is nothing to detect.")
    _positions(categories, "categories", source)
    names = {category["id"]: category["name"] for category in categories}
    wrong = [i for i, name in names.items() if type(i) is not int or not isinstance(name, str)]
    check(
        not wrong,
        f"{source}: category {wrong[:1]} must have a whole number as 'id' and a string as 'name'.",
    )
    return {i: names[i] for i in sorted(names)}


def read_records(tree: dict[str, Any], source: str) -> tuple[Record, ...]:
    """Return the images of COCO annotations, in file order.

    Category ids need not be contiguous: labels are 0..K-1 in the order of the ids. Boxes are
    clipped to the image; boxes without area are dropped and their number is logged.

    Args:
        tree: parsed JSON.
        source: name of the annotations for messages.

    Raises:
        UserError: a key is missing, an annotation refers to an unknown image or category, a box is
            not four finite numbers or has a negative side, a size is invalid, or an id is repeated.
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
    areas = [one.get("area", area) for one, area in zip(annotations, box_areas, strict=True)]
    crowd = [one.get("iscrowd", 0) for one in annotations]
    fields = (boxes, labels.astype(np.int32), np.array(areas, float), np.array(crowd, bool))

    kept = np.flatnonzero(box_areas > 0)
    if len(kept) < len(boxes):
        _logger.warning(
            "%s: %d of %d boxes have no area inside of their image and are left out.",
            source, len(boxes) - len(kept), len(boxes),
        )  # fmt: skip
    kept = kept[np.argsort(owner[kept], kind="stable")]
    ends = np.searchsorted(owner[kept], np.arange(1, len(images)))
    return tuple(
        Record(
            image["file_name"], image["id"], image["width"], image["height"],
            *(field[own] for field in fields),
        )
        for image, own in zip(images, np.split(kept, ends), strict=False)
    )  # fmt: skip


def _clipped_boxes(
    images: list[dict[str, Any]], annotations: list[dict[str, Any]], owner: np.ndarray
) -> np.ndarray:
    """Return all boxes as (n, 4) xyxy, clipped to their images."""
    boxes = np.array([one["bbox"] for one in annotations], float).reshape(-1, 4)
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
    return all(type(value) in (int, float) and math.isfinite(value) for value in values)


def _check_images(images: list[dict[str, Any]], source: str) -> None:
    for position, image in enumerate(images):
        name, width, height = (image[key] for key in ("file_name", "width", "height"))
        check(
            isinstance(name, str)
            and all(type(side) is int and side > 0 for side in (width, height)),
            f"{source}: images[{position}] has file_name={name!r}, {width=}, {height=}; they must "
            "be a string and two whole numbers of at least 1.",
        )


def _name(annotations: list[dict[str, Any]], position: int) -> str:
    annotation = annotations[position]
    return f"annotations[{position}] (id {annotation.get('id')}, image {annotation['image_id']})"

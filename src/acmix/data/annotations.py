"""`DetectionSamples`: images with boxes."""

from __future__ import annotations

import io
import logging
import zlib
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pycocotools.coco import COCO

from acmix.data import rle
from acmix.data.decode import size_mismatch
from acmix.data.instance_masks import InstanceMasks
from acmix.data.readers import Chosen

_logger = logging.getLogger(__name__)


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
        masks: of the n objects, each with at least one pixel; None where only boxes were read.
    """

    name: str
    image_id: int
    width: int
    height: int
    boxes: np.ndarray
    labels: np.ndarray
    areas: np.ndarray
    crowd: np.ndarray
    masks: InstanceMasks | None = None

    def to_list(self) -> list[Any]:
        """Return all but the name as values that JSON can hold."""
        arrays = (self.boxes, self.labels, self.areas, self.crowd)
        values = [self.image_id, self.width, self.height, *(array.tolist() for array in arrays)]
        if self.masks is not None:
            values.append([counts.decode("ascii") for counts in self.masks.counts])
        return values

    def select(self, objects: np.ndarray) -> Record:
        """Return the record with only the ``objects`` of these indices."""
        arrays = {
            name: getattr(self, name)[objects] for name in ("boxes", "labels", "areas", "crowd")
        }
        masks = None if self.masks is None else self.masks.select(objects)
        return replace(self, **arrays, masks=masks)

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
        return replace(
            self,
            records=tuple(self.records[i] for i in kept),
            names=tuple(self.names[i] for i in kept),
            read=Chosen(self.read, kept),
        )

    def mismatch(self, index: int, size: tuple[int, int], encoded: bytes) -> str | None:
        """Return why an image is not of the size that its annotations are for; None if it is."""
        record = self.records[index]
        return size_mismatch(encoded, size, (record.width, record.height), "annotations")

    def checksum(self, index: int, encoded: bytes) -> int:
        """Return the CRC of an image file."""
        return zlib.crc32(encoded)

    def missing_in(self, kept: DetectionSamples) -> tuple[str, ...]:
        """Report the split if ``kept`` is empty; a split need not contain every class."""
        return () if len(kept) else ("the split",)

    def ground_truth(self, masks: bool = False) -> COCO:
        """Return the annotations of exactly these images as a pycocotools object.

        Boxes are those of the records: cut at the borders of their image, and only those with an
        area there.

        Args:
            masks: whether to check segmentations and to convert them to RLE. Without, pycocotools
                must not use them: some that are not well formed make it hang.

        Raises:
            UserError: with ``masks``, see :func:`acmix.data.rle.read_segmentation`.
        """
        tree = self.tree()
        sizes = {record.image_id: (record.height, record.width) for record in self.records}
        kept: list[dict[str, Any]] = []
        for one in tree["annotations"]:
            if one["image_id"] in sizes:
                height, width = sizes[one["image_id"]]
                box = cut_box(one["bbox"], width, height)
                if box is not None:
                    masked = rle.with_mask(one, height, width) if masks else one
                    kept.append(_complete(masked, box, len(kept) + 1))
        coco = COCO()
        coco.dataset = {
            # COCO.loadRes requires this key.
            "info": tree.get("info", {}),
            "images": [image for image in tree["images"] if image["id"] in sizes],
            "categories": tree["categories"],
            "annotations": kept,
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


def cut_box(box: Sequence[float], width: int, height: int) -> Sequence[float] | None:
    """Cut a box (x, y, width, height) at the borders of its image; None if nothing is left."""
    x, y, wide, high = box
    left, top = max(x, 0), max(y, 0)
    right, bottom = min(x + wide, width), min(y + high, height)
    if right <= left or bottom <= top:
        return None
    if (left, top, right, bottom) == (x, y, x + wide, y + high):
        return box  # without rounding
    return [left, top, right - left, bottom - top]


def _complete(annotation: dict[str, Any], box: Sequence[float], number: int) -> dict[str, Any]:
    """Add the keys that COCOeval requires; ids start at 1, since it treats id 0 as unmatched."""
    area = box[2] * box[3]
    return {"area": area, "iscrowd": 0} | annotation | {"bbox": list(box), "id": number}

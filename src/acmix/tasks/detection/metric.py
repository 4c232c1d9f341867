"""COCO's average precision."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from acmix.data import rle
from acmix.errors import UserError, check
from acmix.models.detection.mask_paste import paste_masks
from acmix.parallel import World
from acmix.tasks.detection.average_precision import Kind, coco_numbers, evaluate

COCO_NUMBERS = coco_numbers("bbox")
"""The twelve COCO metrics in the order of pycocotools, with mmdetection's names. Average precision:
over IoU 0.5 to 0.95, at 0.5, at 0.75, of small, medium and large objects. Average recall: with at
most 1, 10 and 100 detections per image, and by object size. A metric without objects is -1."""


class DetectionMetric:
    """Collects detections in COCO format and evaluates them by pycocotools.

    Args:
        ground_truth: annotations of the split; with masks, every segmentation has been checked.
        image_ids: id in ``ground_truth`` of each image, by its position in the split.
        category_ids: id in ``ground_truth`` of each class; None for a class that it lacks.
        masks: whether detections have masks, which are then evaluated too.

    Attributes:
        kinds: what is evaluated.
        results: COCO result list: ``image_id``, ``category_id``, ``bbox`` (x, y, width, height in
            pixels of the original image) and ``score`` of each detection; with masks also
            ``segmentation``, as RLE.
    """

    def __init__(
        self,
        ground_truth: COCO,
        image_ids: Sequence[int],
        category_ids: Sequence[int | None],
        masks: bool = False,
    ):
        self.kinds: tuple[Kind, ...] = ("bbox", "segm") if masks else ("bbox",)
        self._truth = ground_truth
        self._image_ids = tuple(image_ids)
        self._category_ids = tuple(category_ids)
        self._seen: set[int] = set()
        self._evaluated: dict[Kind, COCOeval] = {}
        self.results: list[dict[str, Any]] = []

    def update(self, outputs: np.ndarray | tuple[np.ndarray, ...], *targets: np.ndarray) -> None:
        """Add the detections of a batch.

        Args:
            outputs: boxes (B, D, 4), scores (B, D) and labels (B, D) of
                :class:`DetectionInference`; with masks also the probabilities (B, D, S, S) of the
                pixels of each box.
            *targets: positions (B,) of the images in the split, -1 for padding; and scale (B, 2),
                pixels of the network's input per pixel of the image along x and y.

        Raises:
            UserError: a score, box or mask is not finite.
        """
        self._evaluated = {}
        positions, scales = targets
        for image, position in enumerate(positions):
            if position < 0:
                continue
            found = [output[image] for output in outputs]
            if not all(np.isfinite(part).all() for part in found):
                raise UserError("The detections hold NaN or Inf: the network has diverged.")
            self._add(self._image_ids[position], scales[image], *found)

    def _add(
        self,
        image_id: int,
        scale: np.ndarray,
        boxes: np.ndarray,
        scores: np.ndarray,
        labels: np.ndarray,
        masks: np.ndarray | None = None,
    ) -> None:
        self._seen.add(image_id)
        image = self._truth.imgs[image_id]
        height, width = image["height"], image["width"]
        boxes = boxes.astype(np.float64) / np.tile(scale, 2)
        cut = np.clip(boxes, 0, np.array([width, height] * 2, np.float64))
        category_ids = [self._category_id(int(label)) for label in labels]
        kept = [i for i, category_id in enumerate(category_ids) if category_id is not None]
        for i in kept:
            x, y = cut[i, :2].tolist()
            wide, high = (cut[i, 2:] - cut[i, :2]).tolist()
            self.results.append(
                {
                    "image_id": image_id,
                    "category_id": category_ids[i],
                    "bbox": [x, y, wide, high],
                    "score": float(scores[i]),
                }
            )
        if masks is not None:
            added = self.results[len(self.results) - len(kept) :]
            bitmaps = paste_masks(masks[kept], boxes[kept], height, width)
            for result, bitmap in zip(added, bitmaps, strict=True):
                result["segmentation"] = rle.to_json(rle.encode(bitmap), height, width)

    def _category_id(self, label: int) -> int | None:
        """Return the category of a label; a head may have more outputs than there are classes."""
        return self._category_ids[label] if 0 <= label < len(self._category_ids) else None

    def all_reduce(self, world: World) -> None:
        """Add the detections of the other devices."""
        parts = world.gather(json.dumps([sorted(self._seen), self.results]).encode())
        seen, results = zip(*map(json.loads, parts), strict=True)
        self._evaluated = {}
        self._seen = set(itertools.chain(*seen))
        self.results = list(itertools.chain(*results))

    def compute(self) -> dict[str, float]:
        """Return the metrics :func:`coco_numbers` of each kind over the images that were added.

        Raises:
            UserError: no image was added.
        """
        check(bool(self._seen), "There is no image to evaluate.")
        return {
            name: number
            for kind in self.kinds
            for name, number in zip(
                coco_numbers(kind), self._evaluate(kind).stats.tolist(), strict=True
            )
        }

    def per_class(self, kind: Kind = "bbox") -> np.ndarray:
        """Return the average precision of each class (K,); NaN for a class without objects."""
        precision = self._evaluate(kind).eval["precision"]
        precision = precision[:, :, :, 0, -1]  # all areas, 100 detections
        by_class = np.moveaxis(precision, 2, 0).reshape(precision.shape[2], -1)
        means = [p[p > -1].mean() if (p > -1).any() else np.nan for p in by_class]
        by_id: dict[int | None, float] = dict(zip(self._present_ids(), means, strict=True))
        return np.array([by_id.get(id, np.nan) for id in self._category_ids])

    def _present_ids(self) -> list[int]:
        """Return the categories to evaluate, in the order of pycocotools."""
        return sorted({id for id in self._category_ids if id is not None})

    def _evaluate(self, kind: Kind) -> COCOeval:
        if kind not in self._evaluated:  # takes minutes for COCO
            seen, categories = sorted(self._seen), self._present_ids()
            found = evaluate(self._truth, self.results, kind, seen, categories)
            self._evaluated[kind] = found
        return self._evaluated[kind]

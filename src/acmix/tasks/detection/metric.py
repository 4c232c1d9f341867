"""COCO's average precision."""

from __future__ import annotations

import contextlib
import copy
import io
import itertools
import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from acmix.errors import UserError, check
from acmix.parallel import World

COCO_NUMBERS = (
    "bbox_mAP", "bbox_mAP_50", "bbox_mAP_75", "bbox_mAP_s", "bbox_mAP_m", "bbox_mAP_l",
    "bbox_AR_1", "bbox_AR_10", "bbox_AR_100", "bbox_AR_s", "bbox_AR_m", "bbox_AR_l",
)  # fmt: skip
"""The twelve COCO metrics in the order of pycocotools, with mmdetection's names. Average precision:
over IoU 0.5 to 0.95, at 0.5, at 0.75, of small, medium and large objects. Average recall: with at
most 1, 10 and 100 detections per image, and by object size. A metric without objects is -1."""


class DetectionMetric:
    """Collects detections in COCO format and evaluates them by pycocotools.

    Attributes:
        results: COCO result list: ``image_id``, ``category_id``, ``bbox`` (x, y, width, height in
            pixels of the original image) and ``score`` of each detection.
    """

    def __init__(
        self, ground_truth: COCO, image_ids: Sequence[int], category_ids: Sequence[int | None]
    ):
        self._truth = ground_truth
        self._image_ids = tuple(image_ids)
        self._category_ids = tuple(category_ids)
        self._seen: set[int] = set()
        self.results: list[dict[str, Any]] = []

    def update(self, outputs: np.ndarray | tuple[np.ndarray, ...], *targets: np.ndarray) -> None:
        """Add the detections of a batch.

        Args:
            outputs: boxes (B, D, 4), scores (B, D) and labels (B, D) of
                :class:`DetectionInference`.
            *targets: positions (B,) of the images in the split, -1 for padding; and scale (B, 2),
                pixels of the network's input per pixel of the image along x and y.

        Raises:
            UserError: a score or box is not finite.
        """
        positions, scales = targets
        for image, position in enumerate(positions):
            if position < 0:
                continue
            boxes, scores, labels = (output[image] for output in outputs)
            if not (np.isfinite(scores).all() and np.isfinite(boxes).all()):
                raise UserError("The detections hold NaN or Inf: the network has diverged.")
            self._add(self._image_ids[position], boxes, scores, labels, scales[image])

    def _add(
        self,
        image_id: int,
        boxes: np.ndarray,
        scores: np.ndarray,
        labels: np.ndarray,
        scale: np.ndarray,
    ) -> None:
        self._seen.add(image_id)
        image = self._truth.imgs[image_id]
        limits = np.array([image["width"], image["height"]] * 2, np.float64)
        boxes = np.clip(boxes.astype(np.float64) / np.tile(scale, 2), 0, limits)
        for box, score, label in zip(boxes, scores, labels, strict=True):
            # A head may have more outputs than the data set has classes.
            category_id = (
                self._category_ids[label] if 0 <= label < len(self._category_ids) else None
            )
            if category_id is None:
                continue
            x, y = box[:2].tolist()
            width, height = (box[2:] - box[:2]).tolist()
            self.results.append(
                {
                    "image_id": image_id,
                    "category_id": category_id,
                    "bbox": [x, y, width, height],
                    "score": float(score),
                }
            )

    def all_reduce(self, world: World) -> None:
        """Add the detections of the other devices."""
        parts = world.gather(json.dumps([sorted(self._seen), self.results]).encode())
        seen, results = zip(*map(json.loads, parts), strict=True)
        self._seen = set(itertools.chain(*seen))
        self.results = list(itertools.chain(*results))

    def compute(self) -> dict[str, float]:
        """Return the metrics :data:`COCO_NUMBERS` over the images that were added.

        Raises:
            UserError: no image was added.
        """
        check(bool(self._seen), "There is no image to evaluate.")
        return dict(zip(COCO_NUMBERS, self._evaluate().stats.tolist(), strict=True))

    def per_class(self) -> np.ndarray:
        """Return the average precision of each class (K,); NaN for a class without objects."""
        precision = self._evaluate().eval["precision"][:, :, :, 0, -1]  # all areas, 100 detections
        by_class = np.moveaxis(precision, 2, 0).reshape(precision.shape[2], -1)
        means = [p[p > -1].mean() if (p > -1).any() else np.nan for p in by_class]
        by_id: dict[int | None, float] = dict(zip(self._present_ids(), means, strict=True))
        return np.array([by_id.get(id, np.nan) for id in self._category_ids])

    def _present_ids(self) -> list[int]:
        """Return the categories to evaluate, in the order of pycocotools."""
        return sorted({id for id in self._category_ids if id is not None})

    def _evaluate(self) -> COCOeval:
        """Run pycocotools without its console output."""
        with contextlib.redirect_stdout(io.StringIO()):
            evaluation = COCOeval(self._truth, self._detections(), "bbox")
            evaluation.params.imgIds = sorted(self._seen)
            evaluation.params.catIds = self._present_ids()
            evaluation.evaluate()
            evaluation.accumulate()
            evaluation.summarize()
        return evaluation

    def _detections(self) -> COCO:
        if self.results:
            return self._truth.loadRes(copy.deepcopy(self.results))  # loadRes modifies the list
        empty = COCO()  # loadRes fails on an empty list
        empty.dataset = {**self._truth.dataset, "annotations": []}
        empty.createIndex()
        return empty

"""How well the detections of one image fit its annotations."""

from __future__ import annotations

import math

import numpy as np
from pycocotools import mask as coco_mask

from acmix.data.annotations import Record
from acmix.tasks.detection.prediction import Detected

MATCHED = 0.5
"""Least intersection over union of a detection and the object that it finds."""


def f1_score(found: Detected, truth: Record) -> float:
    """Return the F1 score of detections: twice the hits, over the detections and the objects.

    Each detection, the surest first, takes the object of its class that it overlaps most and that
    is not taken yet, if their boxes have an intersection over union of at least ``MATCHED``. As in
    COCO's metric, a detection that lies on a crowd counts neither way.

    Args:
        found: detections with boxes in pixels of the image, sorted by score.
        truth: objects of the image.

    Returns:
        0 to 1; NaN for an image without objects in which none are found.
    """
    overlaps = _overlaps(found.boxes, truth) * (found.labels[:, None] == truth.labels)
    free = ~truth.crowd
    hits = false = 0
    for row in overlaps:
        single = np.where(free, row, 0)
        if single.max(initial=0) >= MATCHED:
            free[single.argmax()] = False
            hits += 1
        elif row[truth.crowd].max(initial=0) < MATCHED:
            false += 1
    objects = int((~truth.crowd).sum())
    return 2 * hits / (hits + false + objects) if hits + false + objects else math.nan


def _overlaps(boxes: np.ndarray, truth: Record) -> np.ndarray:
    """Return the intersections over union (D, n); those of crowds are over the detection's area."""
    if not len(boxes) or not len(truth.boxes):
        return np.zeros((len(boxes), len(truth.boxes)))
    sides = [np.concatenate([b[:, :2], b[:, 2:] - b[:, :2]], 1) for b in (boxes, truth.boxes)]
    found, objects = (np.ascontiguousarray(side, np.float64) for side in sides)
    return np.asarray(coco_mask.iou(found, objects, truth.crowd.astype(np.uint8)))

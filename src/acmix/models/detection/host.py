"""The steps of :class:`.PostProcess` in NumPy, for outputs that left the graph before them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from mindspore import Tensor

from acmix.models.detection.coder import BoxCoder
from acmix.models.detection.post_process import PostProcess, layout


class Detections(NamedTuple):
    """The n detections of one image, best first; of candidates the same."""

    boxes: np.ndarray
    """(n, 4) float32, x1, y1, x2, y2 in pixels of the network's input."""
    scores: np.ndarray
    """(n,) float32."""
    labels: np.ndarray
    """(n,) int32."""


def candidates_on_host(
    settings: PostProcess,
    logits: np.ndarray,
    deltas: np.ndarray,
    anchors: np.ndarray,
    level_counts: Sequence[int],
    coder: BoxCoder,
    height: int,
    width: int,
) -> Detections:
    """Do as :meth:`PostProcess.candidates` for one image: logits (A, K), deltas (A, 4)."""
    values, rows, labels, start = [], [], [], 0
    for count in level_counts:
        level = logits[start : start + count].astype(np.float32)
        kept = _best(level.max(1), settings.top_k)
        pairs = level[kept]
        place = _best(pairs.reshape(-1), settings.top_k)
        row, label = np.divmod(place, level.shape[1])
        values.append(pairs.reshape(-1)[place])
        rows.append(kept[row] + start)
        labels.append(label)
        start += count
    value, row, label = map(np.concatenate, (values, rows, labels))
    order = _best(value, settings.max_candidates)
    row = row[order]
    boxes = coder.decode(Tensor(deltas[row]), Tensor(anchors[row])).asnumpy()
    limits = np.array([width, height, width, height], np.float32)
    scores = 1 / (1 + np.exp(-value[order]))
    return Detections(np.clip(boxes, 0, limits), scores, label[order].astype(np.int32))


def detections_on_host(
    settings: PostProcess,
    boxes: np.ndarray,
    scores: np.ndarray,
    labels: np.ndarray,
    num_classes: int,
    extent: int,
) -> Detections:
    """Do as :meth:`PostProcess.detections` for one image's candidates, best first."""
    chosen = scores > settings.score_threshold
    boxes, scores, labels = boxes[chosen], scores[chosen], labels[chosen]
    _, step = layout(num_classes, extent)
    rounded = np.round(boxes / np.float32(step)) * np.float32(step)
    kept = np.zeros(len(boxes), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        kept[members[_suppress(rounded[members], settings.nms_threshold)]] = True
    order = np.flatnonzero(kept)[: settings.max_detections]
    return Detections(boxes[order], scores[order], labels[order])


def _best(values: np.ndarray, count: int) -> np.ndarray:
    return np.argsort(-values, kind="stable")[:count]


def _suppress(boxes: np.ndarray, threshold: float) -> np.ndarray:
    """Return the places of the boxes, best first, that no better kept box suppresses."""
    corners, far = boxes[:, :2], boxes[:, 2:]
    areas = np.prod(far - corners, 1)
    kept, left = [], np.arange(len(boxes))
    while left.size:
        best, left = left[0], left[1:]
        kept.append(best)
        sides = np.minimum(far[left], far[best]) - np.maximum(corners[left], corners[best])
        overlap = np.prod(np.maximum(sides, 0), 1)
        union = areas[left] + areas[best] - overlap
        iou = np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)
        left = left[iou <= np.float32(threshold)]
    return np.array(kept, np.int64)

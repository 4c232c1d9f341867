"""The steps of :class:`.PostProcess` in NumPy, for networks that were exported without them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from acmix.errors import UserError
from acmix.models.detection.anchors import anchor_counts
from acmix.models.detection.one_stage import OneStageDetector
from acmix.models.detection.post_process import PostProcess, group_grid
from acmix.models.fpn import level_sizes


class Detections(NamedTuple):
    """The n detections of one image, best first; of candidates the same."""

    boxes: np.ndarray
    """(n, 4) float32, x1, y1, x2, y2 in pixels of the network's input."""
    scores: np.ndarray
    """(n,) float32."""
    labels: np.ndarray
    """(n,) int32."""


@dataclass(frozen=True)
class HostPostProcess:
    """From logits and boxes of all anchors to detections; plain data, for side-cars.

    Args:
        settings: how detections are chosen.
        strides: of the levels.
        num_anchors: per location.
    """

    settings: PostProcess
    strides: tuple[int, ...]
    num_anchors: int

    @classmethod
    def of(cls, detector: OneStageDetector) -> HostPostProcess:
        """Return the steps from the outputs of ``detector.decoded`` to those of ``detect``."""
        return cls(detector.post_process, detector.strides, detector.num_anchors)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> HostPostProcess:
        """Undo :meth:`to_dict`.

        Raises:
            UserError: a key is missing or unknown, or a value is impossible.
        """
        try:
            settings = PostProcess(**content["settings"])
            rest = {key: value for key, value in content.items() if key != "settings"}
            return cls(settings, **{**rest, "strides": tuple(rest["strides"])})
        except (KeyError, TypeError) as error:
            raise UserError(f"post_process: {content!r} does not fit: {error}.") from error

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {**asdict(self), "strides": list(self.strides)}

    def __call__(
        self, logits: np.ndarray, boxes: np.ndarray, height: int, width: int
    ) -> Detections:
        """Choose the detections of one image.

        Args:
            logits: (A, K).
            boxes: (A, 4), cut at the borders of the image.
            height, width: of the network's input.
        """
        candidates = self.candidates(logits, boxes, height, width)
        _, step = group_grid(logits.shape[1], max(height, width))
        return self.suppress(candidates, step)

    def candidates(
        self, logits: np.ndarray, boxes: np.ndarray, height: int, width: int
    ) -> Detections:
        """Return the best pairs of anchor and class, as :meth:`PostProcess.candidates` does."""
        values, rows, labels, start = [], [], [], 0
        for count in anchor_counts(level_sizes(self.strides, height, width), self.num_anchors):
            level = logits[start : start + count].astype(np.float32)
            kept = _best(level.max(1), self.settings.top_k)
            pairs = level[kept].reshape(-1)
            place = _best(pairs, self.settings.top_k)
            row, label = np.divmod(place, level.shape[1])
            values.append(pairs[place])
            rows.append(kept[row] + start)
            labels.append(label)
            start += count
        value, row, label = map(np.concatenate, (values, rows, labels))
        order = _best(value, self.settings.max_candidates)
        scores = 1 / (1 + np.exp(-value[order]))
        chosen = boxes[row[order]].astype(np.float32)
        return Detections(chosen, scores, label[order].astype(np.int32))

    def suppress(self, candidates: Detections, step: float) -> Detections:
        """Keep the same candidates as :meth:`PostProcess.detections`, best first.

        Args:
            candidates: of one image.
            step: to whose multiples coordinates are rounded before they are compared, as in
                :func:`.post_process.suppress`.
        """
        chosen = candidates.scores > self.settings.score_threshold
        boxes, scores, labels = (part[chosen] for part in candidates)
        rounded = np.round(boxes / np.float32(step)) * np.float32(step)
        kept = np.zeros(len(boxes), bool)
        for label in np.unique(labels):
            members = np.flatnonzero(labels == label)
            kept[members[_survivors(rounded[members], self.settings.nms_threshold)]] = True
        order = np.flatnonzero(kept)[: self.settings.max_detections]
        return Detections(boxes[order], scores[order], labels[order])


def _best(values: np.ndarray, count: int) -> np.ndarray:
    return np.argsort(-values, kind="stable")[:count]


def _survivors(boxes: np.ndarray, threshold: float) -> np.ndarray:
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

"""NumPy oracles of the parts of detectors, written from the definitions: plain loops, float64."""

from __future__ import annotations

import numpy as np


def area(box) -> float:
    x1, y1, x2, y2 = (float(corner) for corner in box)
    return max(x2 - x1, 0.0) * max(y2 - y1, 0.0)


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of the boxes (N, 4) and (M, 4): (N, M), 0 for two empty boxes."""
    out = np.zeros((len(a), len(b)))
    for i, first in enumerate(a):
        for j, second in enumerate(b):
            common = area((*np.maximum(first[:2], second[:2]), *np.minimum(first[2:], second[2:])))
            union = area(first) + area(second) - common
            out[i, j] = common / union if union > 0 else 0.0
    return out


def encode(box, anchor) -> list[float]:
    """R-CNN, App. C: t_x = (G_x - P_x) / P_w, t_w = log(G_w / P_w), and the same for y and h."""
    (gx, gy, gw, gh), (px, py, pw, ph) = (
        ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1)
        for x1, y1, x2, y2 in (map(float, box), map(float, anchor))
    )
    return [(gx - px) / pw, (gy - py) / ph, np.log(gw / pw), np.log(gh / ph)]


def match(overlaps: np.ndarray, positive: float, negative: float, low_quality: bool) -> list[int]:
    """Match the anchors of one image: overlaps (A, M) with its boxes; -1 background, -2 ignored."""
    anchors, boxes = overlaps.shape
    matched = []
    for a in range(anchors):
        best = -1
        for m in range(boxes):
            if best == -1 or overlaps[a, m] > overlaps[a, best]:
                best = m
        highest = overlaps[a, best] if boxes else 0.0
        nobody_is_closer = any(
            overlaps[a, m] > 0
            and all(overlaps[a, m] >= overlaps[other, m] for other in range(anchors))
            for m in range(boxes)
        )
        if boxes and (highest >= positive or (low_quality and nobody_is_closer)):
            matched.append(best)
        else:
            matched.append(-1 if highest < negative else -2)
    return matched


def focal_loss(logits, targets, alpha, gamma):
    """Focal loss, Eq. 5: -alpha_t (1 - p_t)^gamma log(p_t)."""
    # log(p) by logaddexp, because in float64 1 - p rounds to 0 beyond a logit of 37.
    log_p, log_rest = -np.logaddexp(0, -logits), -np.logaddexp(0, logits)
    ones = -alpha * np.exp(log_rest) ** gamma * log_p
    zeros = -(1 - alpha) * np.exp(log_p) ** gamma * log_rest
    return np.where(targets == 1, ones, zeros)


def smooth_l1(prediction, target, beta):
    """Fast R-CNN, Eq. 3, the bend moved from 1 to ``beta``."""
    distance = np.abs(prediction - target)
    if beta == 0:
        return distance
    return np.where(distance < beta, 0.5 * distance**2 / beta, distance - 0.5 * beta)


def bilinear(maps: np.ndarray, y: float, x: float) -> np.ndarray:
    """Read (C, H, W) at a point; the outermost pixels go on for one pixel, then there is zero."""
    _, height, width = maps.shape
    if not (-1 <= y <= height and -1 <= x <= width):
        return np.zeros(len(maps))
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    out = np.zeros(len(maps))
    for row in range(height):
        for column in range(width):
            out += maps[:, row, column] * max(1 - abs(y - row), 0) * max(1 - abs(x - column), 0)
    return out


def roi_align(maps: np.ndarray, box, stride: int, size: int, samples: int) -> np.ndarray:
    """Mask R-CNN's RoIAlign of one box (image pixels) on (C, H, W): (C, size, size).

    Pixel (row, column) of the map has its centre at ((column + 1/2), (row + 1/2)) * stride.
    """
    x1, y1, x2, y2 = (float(corner) / stride - 0.5 for corner in box)
    out = np.zeros((len(maps), size, size))
    for i in range(size):
        for j in range(size):
            points = [
                (
                    y1 + (i + (a + 0.5) / samples) * (y2 - y1) / size,
                    x1 + (j + (b + 0.5) / samples) * (x2 - x1) / size,
                )
                for a in range(samples)
                for b in range(samples)
            ]
            out[:, i, j] = np.mean([bilinear(maps, *point) for point in points], axis=0)
    return out


def pyramid_level(box) -> int:
    """FPN, Eq. 1: floor(4 + log2(sqrt(w h) / 224)) by halving and doubling, without a logarithm."""
    level, side = 4, np.sqrt(area(box))
    if side == 0:
        return -1000
    while side >= 448:
        side, level = side / 2, level + 1
    while side < 224:
        side, level = side * 2, level - 1
    return level

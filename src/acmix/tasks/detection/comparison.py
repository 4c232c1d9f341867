"""Compare the detections of an exported file with those of its network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from acmix.errors import check
from acmix.export.verify import REMEDY, TOLERANCE

_ALONE = {"float32": 0.02, "float16": 0.2}
"""Largest share of detections without a partner: where two scores are equal up to rounding, another
box may suppress a third."""


def aligned(
    actual: Sequence[np.ndarray], expected: Sequence[np.ndarray], precision: str, what: str
) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """Return the detections that both found, in the same order, joined over the images.

    Args:
        actual, expected: boxes (B, D, 4), scores (B, D), labels (B, D) and perhaps masks
            (B, D, S, S), see :class:`.DetectionInference`.
        precision: ``float32`` or ``float16``.
        what: name of ``actual`` in the message.

    Raises:
        UserError: too many detections of one have no partner in the other, of the same class and,
            up to rounding, the same box and score.
    """
    pairs, alone, count = [], 0, 0
    for image in range(len(expected[0])):
        theirs, ours = ([part[image] for part in parts] for parts in (expected, actual))
        found = _pairs(theirs, ours, TOLERANCE[precision])
        pairs += [(image, row, column) for row, column in found]
        number = max(int((one[2] >= 0).sum()) for one in (theirs, ours))
        alone, count = alone + number - len(found), count + number
    allowed = max(1, _ALONE[precision] * count) if count else 0
    check(
        alone <= allowed,
        f"export: of {count} detections of {what} and of the network {alone} have no partner in "
        f"the other; {REMEDY}",
    )
    place, row, column = np.array(pairs, int).reshape(-1, 3).T
    return (
        tuple(part[place, column] for part in actual),
        tuple(part[place, row] for part in expected),
    )


def _pairs(
    expected: Sequence[np.ndarray], actual: Sequence[np.ndarray], tolerance: float
) -> list[tuple[int, int]]:
    """Return rows of ``expected`` and of ``actual``, each at most once, that are the same."""
    size = max(1.0, float(np.abs(expected[0]).max(initial=0)))
    left = actual[2] >= 0
    pairs = []
    for row in np.flatnonzero(expected[2] >= 0):
        distance = np.abs(actual[0] - expected[0][row]).max(1)
        same = left & (actual[2] == expected[2][row]) & (distance <= tolerance * size)
        same &= np.abs(actual[1] - expected[1][row]) <= tolerance
        if same.any():
            column = int(np.where(same, distance, np.inf).argmin())
            left[column] = False
            pairs.append((int(row), column))
    return pairs

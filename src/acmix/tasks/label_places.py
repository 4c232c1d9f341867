"""Where labels stand in a picture: inside of it, and clear of each other where there is room."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Size = tuple[int, int]
"""Width and height in pixels."""


def place_labels(boxes: np.ndarray, labels: Sequence[Size], picture: Size) -> list[tuple[int, int]]:
    """Return the upper left corner of the label of each box.

    The first label chooses first: above its box, inside of it at the top, below it, inside at the
    bottom, on the left and on the right; then any free place, the nearest one. Where no place is
    free, a label covers as little of others as it can.

    Args:
        boxes: (D, 4), x1, y1, x2, y2 in pixels of the picture.
        labels: size of each label; one that is larger than the picture begins at its border.
        picture: size of the picture.
    """
    taken = np.zeros((0, 4))
    corners = []
    for box, size in zip(boxes, labels, strict=True):
        room = np.maximum(np.subtract(picture, size), 0)
        places = np.clip(_beside(box, size), 0, room)
        covered = _covered(places, size, taken)
        if covered.min() > 0:
            places = np.concatenate([places, _everywhere(box, size, room)])
            covered = _covered(places, size, taken)
        left, top = places[covered.argmin()].astype(int).tolist()  # the first of equal ones
        corners.append((left, top))
        taken = np.concatenate([taken, [[left, top, left + size[0], top + size[1]]]])
    return corners


def _beside(box: np.ndarray, size: Size) -> np.ndarray:
    """Return the places at a box (8, 2), the best first."""
    left, top, right, bottom = np.round(box)
    width, height = size
    rows = (top - height, top, bottom, bottom - height)
    return np.array([(x, y) for x in (left, right - width) for y in rows])


def _everywhere(box: np.ndarray, size: Size, room: np.ndarray) -> np.ndarray:
    """Return places all over the picture (n, 2), those nearest to the box's corner first."""
    step = max(size[1] // 2, 1)
    x, y = (np.append(np.arange(0, end, step), end) for end in room)
    places = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    return places[np.argsort(((places - box[:2]) ** 2).sum(1), kind="stable")]


def _covered(places: np.ndarray, size: Size, taken: np.ndarray) -> np.ndarray:
    """Return how many pixels of earlier labels (n, 4) a label would cover at each place."""
    lower = np.maximum(places[:, None], taken[:, :2])
    upper = np.minimum(places[:, None] + np.array(size), taken[:, 2:])
    return np.maximum(upper - lower, 0).prod(2).sum(1)

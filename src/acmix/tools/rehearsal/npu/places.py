"""Places that indices name, and sums at places."""

from __future__ import annotations

from typing import Any

import numpy as np


def checked(index: np.ndarray, size: int, negative: bool = True) -> np.ndarray:
    """Return indices of an axis of ``size``, negative ones counted from its end.

    Raises:
        ValueError: an index outside of the axis, where CANN reads or writes anything.
    """
    lowest = -size if negative else 0
    outside = (index < lowest) | (index >= size)
    if outside.any():
        worst = np.asarray(index)[outside].flat[0]
        raise ValueError(f"index {worst} is outside of an axis of {size}")
    return np.where(index < 0, index + size, index)


def along(index: np.ndarray, axis: int, size: int) -> tuple[Any, ...]:
    """Return the places of an index (...) that replaces coordinates of one axis of ``size``.

    Its other axes may be shorter than those of the tensor.
    """
    places: list[Any] = list(np.ogrid[tuple(slice(n) for n in index.shape)])
    places[axis] = checked(index, size)
    return tuple(places)


def add_rows(target: np.ndarray, rows: np.ndarray, values: np.ndarray) -> None:
    """Add ``values`` (n, ...) to the rows of ``target`` (m, ...) that ``rows`` (n) names.

    Rows may be named many times. As ``np.add.at``, and faster: rows are sorted, and neighbours
    summed.
    """
    if not rows.size:
        return
    order = np.argsort(rows, kind="stable")
    placed = rows[order]
    starts = np.flatnonzero(np.concatenate(([True], placed[1:] != placed[:-1])))
    target[placed[starts]] += np.add.reduceat(values[order], starts, axis=0)

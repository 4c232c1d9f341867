"""Sorted numbers, and the largest ones."""

from __future__ import annotations

import numpy as np

from acmix.tools.rehearsal.npu.registry import aclnn, operator

Pair = tuple[np.ndarray, np.ndarray]


@aclnn("aclnnTopk", "self k:int64 dim:int64 largest:bool sorted:bool >values >indices")
def topk(x: np.ndarray, k: int, axis: int, largest: bool, sorted: bool) -> Pair:
    """Return the ``k`` first numbers of an axis in falling (or rising) order, and their places.

    Of equal numbers the first goes first; NaN is larger than all.
    """
    values, places = sort(x, True, axis, largest)
    first = (slice(None),) * (axis % x.ndim) + (slice(k),)
    return values[first], places[first]


@operator("TopK", "x k >values >indices")
@operator("TopKV2", "x k >values >indices")
def topk_operator(
    x: np.ndarray, k: np.ndarray, *, sorted: bool = True, dim: int = -1, largest: bool = True
) -> Pair:
    """Return the ``k`` first numbers of an axis in falling (or rising) order, and their places."""
    return topk(x, int(k), dim, largest, sorted)


@aclnn("aclnnSort", "self stable:bool dim:int64 descending:bool >values >indices")
def sort(x: np.ndarray, stable: bool, axis: int, descending: bool) -> Pair:
    """Return an axis in rising (or falling) order, and the places of its numbers in ``x``.

    Of equal numbers the first goes first; NaN is larger than all.
    """
    if descending:  # sorted from behind, and then reversed, equal numbers keep their order
        behind = np.argsort(np.flip(x, axis), axis, kind="stable")
        places = np.flip(x.shape[axis] - 1 - behind, axis)
    else:
        places = np.argsort(x, axis, kind="stable")
    return np.take_along_axis(x, places, axis), places


@operator("Sort", "x >y1 >y2")
def sort_operator(
    x: np.ndarray, *, axis: int = -1, descending: bool = False, stable: bool = False
) -> Pair:
    """Return an axis in rising (or falling) order, and the places of its numbers in ``x``."""
    return sort(x, stable, axis, descending)

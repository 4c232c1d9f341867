"""Numbers and rows picked by indices."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from acmix.tools.rehearsal.npu.places import along, checked
from acmix.tools.rehearsal.npu.registry import aclnn, operator


@operator("GatherV2", "x indices axis >y")
def gather_v2(
    x: np.ndarray,
    indices: np.ndarray,
    axis: np.ndarray,
    *,
    batch_dims: int = 0,
    is_preprocessed: bool = False,
    negative_index_support: bool = False,
) -> np.ndarray:
    """Return the slices of an axis that ``indices`` (...) names, in its place.

    The first ``batch_dims`` axes of both are one and the same.
    """
    place = int(axis) % x.ndim
    index = checked(indices, x.shape[place], negative_index_support)
    if not batch_dims:
        return np.take(x, index, place)
    batch, rest = x.shape[:batch_dims], x.shape[batch_dims:]
    flat, named = x.reshape(-1, *rest), index.reshape(-1, *index.shape[batch_dims:])
    each = [np.take(one, i, place - batch_dims) for one, i in zip(flat, named, strict=True)]
    return np.stack(each).reshape(*batch, *each[0].shape)


@operator("Gather", "x indices >y")
def gather_first(
    x: np.ndarray,
    indices: np.ndarray,
    *,
    batch_dims: int = 0,
    validate_indices: bool = True,
    is_preprocessed: bool = False,
    negative_index_support: bool = False,
) -> np.ndarray:
    """Return the slices of axis ``batch_dims`` that ``indices`` names."""
    return gather_v2(
        x,
        indices,
        np.asarray(batch_dims),
        batch_dims=batch_dims,
        negative_index_support=negative_index_support,
    )


@operator("GatherV2D", "x indices >y")
def gather_v2_d(x: np.ndarray, indices: np.ndarray, *, axis: int) -> np.ndarray:
    """Return the slices of an axis that ``indices`` names, in its place."""
    return gather_v2(x, indices, np.asarray(axis))


@aclnn("aclnnIndexSelect", "self dim:int64 index >out")
def index_select(x: np.ndarray, axis: int, index: np.ndarray) -> np.ndarray:
    """Return the slices of an axis that ``index`` names, in its place."""
    return np.take(x, checked(index, x.shape[axis]), axis)


@aclnn("aclnnEmbedding", "weight indices >out")
def embedding(weight: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """Return the rows that ``indices`` names."""
    return weight[checked(indices, len(weight))]


@aclnn("aclnnGather", "self dim:int64 index >out")
def gather(x: np.ndarray, axis: int, index: np.ndarray) -> np.ndarray:
    """Return y[i, j, ...] = x[i, index[i, j, ...], ...], here with axis 1."""
    return x[along(index, axis, x.shape[axis])]


@operator("GatherElements", "x index >y")
def gather_elements(x: np.ndarray, index: np.ndarray, *, dim: int = 0) -> np.ndarray:
    """Return y[i, j, ...] = x[i, index[i, j, ...], ...], here with dim 1."""
    return gather(x, dim, index)


@operator("GatherD", "x dim index >y")
def gather_d(x: np.ndarray, dim: np.ndarray, index: np.ndarray) -> np.ndarray:
    """Return y[i, j, ...] = x[i, index[i, j, ...], ...], here with dim 1."""
    return gather(x, int(dim), index)


@aclnn("aclnnGatherNd", "self indices negative_index_support:bool >out")
def gather_nd(x: np.ndarray, indices: np.ndarray, negative: bool) -> np.ndarray:
    """Return the slices at the coordinates in the last axis of ``indices``."""
    places = np.moveaxis(indices, -1, 0)
    sizes = x.shape[: len(places)]
    return x[tuple(checked(one, size, negative) for one, size in zip(places, sizes, strict=True))]


@operator("GatherNd", "x indices >y")
def gather_nd_operator(
    x: np.ndarray, indices: np.ndarray, *, negative_index_support: bool = False
) -> np.ndarray:
    """Return the slices at the coordinates in the last axis of ``indices``."""
    return gather_nd(x, indices, negative_index_support)


@aclnn("aclnnIndex", "self indices >out")
def index(x: np.ndarray, indices: Sequence[np.ndarray | None]) -> np.ndarray:
    """Return x[indices], an index for each of the first axes; None takes all of an axis."""
    return x[tuple(slice(None) if one is None else one for one in indices)]


@aclnn("aclnnOneHot", "self num_classes:int64 on_value off_value axis:int64 >out")
def one_hot(
    classes: np.ndarray, count: int, on: np.ndarray, off: np.ndarray, axis: int
) -> np.ndarray:
    """Return ``on`` at the place of each class along a new axis, ``off`` elsewhere.

    A class outside of the axis has ``off`` everywhere.
    """
    place = axis % (classes.ndim + 1)
    each = np.arange(count).reshape([-1] + [1] * (classes.ndim - place))
    return np.where(np.expand_dims(classes, place) == each, np.ravel(on)[0], np.ravel(off)[0])


@operator("OneHot", "x depth on_value off_value >y")
def one_hot_operator(
    classes: np.ndarray, depth: np.ndarray, on: np.ndarray, off: np.ndarray, *, axis: int = -1
) -> np.ndarray:
    """Return ``on`` at the place of each class along a new axis, ``off`` elsewhere."""
    return one_hot(classes, int(depth), on, off, axis)


@operator("OneHotD", "x on_value off_value >y")
def one_hot_d(
    classes: np.ndarray, on: np.ndarray, off: np.ndarray, *, depth: int, axis: int = -1
) -> np.ndarray:
    """Return ``on`` at the place of each class along a new axis, ``off`` elsewhere."""
    return one_hot(classes, depth, on, off, axis)

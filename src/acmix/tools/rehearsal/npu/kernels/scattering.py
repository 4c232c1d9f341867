"""Numbers and rows written or added where indices say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from acmix.tools.rehearsal.npu.places import add_rows, along, checked
from acmix.tools.rehearsal.npu.registry import aclnn, operator


@aclnn("aclnnScatterAdd", "self dim:int64 index src >out")
def scatter_add(x: np.ndarray, axis: int, index: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return x with y[i, index[i, j, ...], ...] += values[i, j, ...], here with axis 1."""
    y = x.copy()
    taken = values[tuple(slice(n) for n in index.shape)]
    np.add.at(y, along(index, axis, x.shape[axis]), taken)
    return y


@operator("CustGatherDGradV2", "x index grad >output")
def gather_d_grad(
    x: np.ndarray, index: np.ndarray, gradient: np.ndarray, *, dim: int
) -> np.ndarray:
    """Return the gradient of GatherElements: sums where numbers were picked from, else zeros."""
    return scatter_add(np.zeros(x.shape, gradient.dtype), dim, index, gradient)


@operator("UnsortedSegmentSum", "x segment_ids num_segments >y")
def unsorted_segment_sum(x: np.ndarray, segments: np.ndarray, count: np.ndarray) -> np.ndarray:
    """Return the sums of the rows of each segment; a row of a negative segment is left out."""
    rest = x.shape[segments.ndim :]
    rows, named = x.reshape(-1, *rest), segments.ravel()
    kept = named >= 0
    total = np.zeros((int(count), *rest), x.dtype)
    add_rows(total, checked(named[kept], len(total)), rows[kept])
    return total


@aclnn("aclnnIndexAdd", "self dim:int64 index source alpha >out")
def index_add(
    x: np.ndarray, axis: int, index: np.ndarray, source: np.ndarray, alpha: float
) -> np.ndarray:
    """Return x with ``alpha`` times the slices of ``source`` added where ``index`` says."""
    y = x.copy()
    values = (alpha * source).astype(x.dtype)
    rows = checked(index.ravel(), x.shape[axis])
    add_rows(np.moveaxis(y, axis, 0), rows, np.moveaxis(values, axis, 0))
    return y


@aclnn(
    "aclnnEmbeddingDenseBackward",
    "grad indices num_weights:int64 padding_idx:int64 scale_grad_by_freq:bool >out",
)
def embedding_dense_backward(
    gradient: np.ndarray, indices: np.ndarray, count: int, padding: int, by_frequency: bool
) -> np.ndarray:
    """Return the gradient of an embedding's rows; the one at ``padding`` has none."""
    named = checked(indices.ravel(), count)
    rows = gradient.reshape(named.size, -1)
    if by_frequency:
        rows = rows / np.bincount(named, minlength=count)[named][:, None]
    kept = named != padding
    total = np.zeros((count, rows.shape[1]), rows.dtype)
    add_rows(total, named[kept], rows[kept])
    return total


@operator("ScatterNd", "indices x shape >y")
def scatter_nd(indices: np.ndarray, values: np.ndarray, shape: np.ndarray) -> np.ndarray:
    """Return zeros with ``values`` added at the coordinates in the last axis of ``indices``."""
    zeros = np.zeros([int(size) for size in shape], values.dtype)
    return tensor_scatter_add(zeros, indices, values)


@aclnn("aclnnTfScatterAdd", "&var indices updates")
@operator("TensorScatterAdd", "x indices updates >y")
@operator("ScatterNdAdd", "var indices updates >var")
def tensor_scatter_add(
    x: np.ndarray, indices: np.ndarray, values: np.ndarray, *, use_locking: bool = False
) -> np.ndarray:
    """Return x with ``values`` added at the coordinates in the last axis of ``indices``."""
    y = x.copy()
    np.add.at(y, _coordinates(indices, x.shape), values)
    return y


@operator("TensorScatterUpdate", "x indices updates >y")
@operator("ScatterNdUpdate", "var indices updates >var")
def tensor_scatter_update(
    x: np.ndarray, indices: np.ndarray, values: np.ndarray, *, use_locking: bool = False
) -> np.ndarray:
    """Return x with ``values`` written at the coordinates in the last axis of ``indices``."""
    y = x.copy()
    y[_coordinates(indices, x.shape)] = values
    return y


@operator("ScatterAdd", "var indices updates >var")
def scatter_add_rows(
    x: np.ndarray, indices: np.ndarray, values: np.ndarray, *, use_locking: bool = False
) -> np.ndarray:
    """Return x with rows of ``values`` added where ``indices`` says."""
    return tensor_scatter_add(x, indices[..., None], values)


@operator("ScatterUpdate", "var indices updates >var")
def scatter_update_rows(
    x: np.ndarray, indices: np.ndarray, values: np.ndarray, *, use_locking: bool = False
) -> np.ndarray:
    """Return x with rows of ``values`` written where ``indices`` says."""
    return tensor_scatter_update(x, indices[..., None], values)


@operator("InplaceIndexAdd", "var indices updates >var")
def inplace_index_add(
    x: np.ndarray, index: np.ndarray, source: np.ndarray, *, axis: int
) -> np.ndarray:
    """Return x with the slices of ``source`` added where ``index`` says."""
    return index_add(x, axis, index, source, 1)


@operator("ScatterElements", "data indices updates >y")
def scatter_elements(
    x: np.ndarray,
    index: np.ndarray,
    values: np.ndarray,
    *,
    axis: int = 0,
    reduction: str = "none",
) -> np.ndarray:
    """Return x with y[i, index[i, j, ...], ...] = values[i, j, ...], here with axis 1.

    Values are added instead if ``reduction`` is ``add``.
    """
    if reduction == "add":
        return scatter_add(x, axis, index, values)
    if reduction != "none":
        raise ValueError(f"reduction {reduction} is not known")
    y = x.copy()
    y[along(index, axis, x.shape[axis])] = values[tuple(slice(n) for n in index.shape)]
    return y


def _coordinates(indices: np.ndarray, shape: Sequence[int]) -> tuple[np.ndarray, ...]:
    places = np.moveaxis(indices, -1, 0)
    return tuple(checked(one, size) for one, size in zip(places, shape, strict=False))

"""Joining tensors and splitting them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from acmix.tools.rehearsal.npu.registry import aclnn, operator

Arrays = tuple[np.ndarray, ...]


@aclnn("aclnnCat", "tensors dim:int64 >out")
@operator("ConcatV2", "x* concat_dim >y")
def concatenate(parts: Sequence[np.ndarray], axis: int, *, N: int = 0) -> np.ndarray:
    """Return tensors side by side along an axis."""
    return np.concatenate(parts, int(axis))


@operator("Concat", "concat_dim x* >y")
def concat(axis: np.ndarray, parts: Sequence[np.ndarray], *, N: int = 0) -> np.ndarray:
    """Return tensors side by side along an axis."""
    return concatenate(parts, int(axis))


@operator("ConcatD", "x* >y")
@operator("ConcatV2D", "x* >y")
def concat_d(parts: Sequence[np.ndarray], *, concat_dim: int, N: int = 0) -> np.ndarray:
    """Return tensors side by side along an axis."""
    return concatenate(parts, concat_dim)


@aclnn("aclnnStack", "tensors dim:int64 >out")
def stack(parts: Sequence[np.ndarray], axis: int) -> np.ndarray:
    """Return tensors of one shape along a new axis."""
    return np.stack(parts, axis)


@operator("Pack", "x* >y")
def pack(parts: Sequence[np.ndarray], *, axis: int = 0, N: int = 0) -> np.ndarray:
    """Return tensors of one shape along a new axis."""
    return np.stack(parts, axis)


@operator("Unpack", "x >y*")
def unpack(x: np.ndarray, *, num: int = 0, axis: int = 0) -> Arrays:
    """Return the tensors that lie along an axis."""
    return tuple(np.moveaxis(x, axis, 0))


@aclnn("aclnnSplitWithSize", "self split_size dim:int64 >out")
def split_with_size(x: np.ndarray, sizes: Sequence[int], axis: int) -> Arrays:
    """Return parts of ``sizes`` along an axis."""
    return tuple(np.split(x, np.cumsum(sizes)[:-1], axis))


@aclnn("aclnnSplitTensor", "self split_sections:int64 dim:int64 >out")
def split_tensor(x: np.ndarray, size: int, axis: int) -> Arrays:
    """Return parts of one size along an axis; the last may be smaller."""
    return tuple(np.split(x, range(size, x.shape[axis], size), axis))


@operator("Split", "split_dim x >y*")
def split(axis: np.ndarray, x: np.ndarray, *, num_split: int) -> Arrays:
    """Return equal parts along an axis."""
    return tuple(np.split(x, num_split, int(axis)))


@operator("SplitD", "x >y*")
def split_d(x: np.ndarray, *, split_dim: int, num_split: int) -> Arrays:
    """Return equal parts along an axis."""
    return tuple(np.split(x, num_split, split_dim))


@operator("SplitV", "x size_splits split_dim >y*")
def split_v(x: np.ndarray, sizes: np.ndarray, axis: np.ndarray, *, num_split: int) -> Arrays:
    """Return parts along an axis; a size of -1 is what the others leave."""
    return split_v_d(x, size_splits=sizes.tolist(), split_dim=int(axis), num_split=num_split)


@operator("SplitVD", "x >y*")
def split_v_d(
    x: np.ndarray, *, size_splits: Sequence[int], split_dim: int, num_split: int
) -> Arrays:
    """Return parts along an axis; a size of -1 is what the others leave."""
    rest = x.shape[split_dim] - sum(size for size in size_splits if size != -1)
    sizes = [rest if size == -1 else size for size in size_splits]
    return split_with_size(x, sizes, split_dim)

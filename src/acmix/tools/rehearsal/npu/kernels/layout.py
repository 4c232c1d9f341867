"""Shapes: axes in another order, repeated, added, or dropped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from acmix.tools.rehearsal.npu.registry import Spec, aclnn, operator


@aclnn("aclnnPermute", "self dims >out")
@operator("Transpose", "x perm >y")
def transpose(x: np.ndarray, order: Sequence[int] | np.ndarray) -> np.ndarray:
    """Return x with its axes in another order."""
    return x.transpose([int(axis) for axis in order])


@operator("TransposeD", "x >y")
def transpose_d(x: np.ndarray, *, perm: Sequence[int]) -> np.ndarray:
    """Return x with its axes in another order."""
    return x.transpose(perm)


@aclnn("aclnnRepeat", "self repeats >out")
@operator("Tile", "x multiples >y")
def tile(x: np.ndarray, repeats: Sequence[int] | np.ndarray) -> np.ndarray:
    """Return x repeated as a whole along its last axes, or along new ones before them."""
    return np.tile(x, [int(count) for count in repeats])


@operator("TileD", "x >y")
def tile_d(x: np.ndarray, *, multiples: Sequence[int]) -> np.ndarray:
    """Return x repeated as a whole along its last axes, or along new ones before them."""
    return np.tile(x, multiples)


@aclnn("aclnnExpand", "self size >out")
@operator("BroadcastTo", "x shape >y")
@operator("Expand", "x shape >y")
def broadcast(
    x: np.ndarray, shape: Sequence[int] | np.ndarray, *, outputs: Sequence[Spec]
) -> np.ndarray:
    """Return x repeated along axes of one number, and new ones, to the output's shape."""
    return np.broadcast_to(x, outputs[0].shape)


@operator("BroadcastToD", "x >y")
def broadcast_d(x: np.ndarray, *, shape: Sequence[int], outputs: Sequence[Spec]) -> np.ndarray:
    """Return x repeated along axes of one number, and new ones, to the output's shape."""
    return np.broadcast_to(x, outputs[0].shape)


@operator("Reshape", "x shape >y")
def reshape(x: np.ndarray, shape: np.ndarray, *, axis: int = 0, num_axes: int = -1) -> np.ndarray:
    """Return x in another shape; a size of -1 is what the others leave."""
    if axis or num_axes != -1:
        raise ValueError("a shape of some axes only is not known")
    return x.reshape([int(size) for size in shape])


@operator("ExpandDims", "x axis >y")
def expand_dims(x: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """Return x with an axis of one number more."""
    return np.expand_dims(x, [int(one) for one in np.atleast_1d(axis)])


@operator("Unsqueeze", "x >y")
def unsqueeze(x: np.ndarray, *, axes: Sequence[int] = ()) -> np.ndarray:
    """Return x with axes of one number more."""
    return np.expand_dims(x, list(axes))


@operator("Squeeze", "x >y")
def squeeze(x: np.ndarray, *, axis: Sequence[int] = ()) -> np.ndarray:
    """Return x without axes of one number: those named, or all if none is."""
    return np.squeeze(x, tuple(axis) or None)


@operator("Flatten", "x >y")
def flatten(x: np.ndarray, *, axis: int = 1) -> np.ndarray:
    """Return the matrix of the axes before ``axis`` and of those from it on."""
    return x.reshape(int(np.prod(x.shape[:axis], dtype=np.int64)), -1)


@aclnn("aclnnFlip", "self dims >out")
@operator("ReverseV2", "x axis >y")
def flip(x: np.ndarray, axes: Sequence[int] | np.ndarray) -> np.ndarray:
    """Return x with the order of some axes reversed."""
    return np.flip(x, [int(axis) for axis in axes])


@aclnn("aclnnRoll", "x shifts dims >out")
def roll(x: np.ndarray, shifts: Sequence[int], axes: Sequence[int]) -> np.ndarray:
    """Return x shifted in circles: along axes, or flattened if none is named."""
    if not axes:
        return np.roll(x, shifts[0])
    return np.roll(x, tuple(shifts), tuple(axes))


@operator("Roll", "x >y")
def roll_operator(x: np.ndarray, *, shifts: Sequence[int], dims: Sequence[int] = ()) -> np.ndarray:
    """Return x shifted in circles: along axes, or flattened if none is named."""
    return roll(x, shifts, dims)


@operator("Meshgrid", "x* >y*")
def meshgrid(
    axes: Sequence[np.ndarray], *, indexing: Literal["xy", "ij"] = "xy"
) -> tuple[np.ndarray, ...]:
    """Return the coordinates of all points of a grid of axes; ``xy`` has rows of the second."""
    return tuple(np.meshgrid(*axes, indexing=indexing))


@aclnn("aclnnTril", "self diagonal:int64 >out")
def tril(x: np.ndarray, diagonal: int) -> np.ndarray:
    """Return matrices without what is above a diagonal."""
    return np.tril(x, diagonal)


@operator("Tril", "x >y")
def tril_operator(x: np.ndarray, *, diagonal: int = 0) -> np.ndarray:
    """Return matrices without what is above a diagonal."""
    return np.tril(x, diagonal)


@aclnn("aclnnTriu", "self diagonal:int64 >out")
def triu(x: np.ndarray, diagonal: int) -> np.ndarray:
    """Return matrices without what is below a diagonal."""
    return np.triu(x, diagonal)


@operator("Triu", "x >y")
def triu_operator(x: np.ndarray, *, diagonal: int = 0) -> np.ndarray:
    """Return matrices without what is below a diagonal."""
    return np.triu(x, diagonal)

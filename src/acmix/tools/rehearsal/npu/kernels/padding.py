"""Pads around tensors, and their gradients."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from acmix.tools.rehearsal.npu.places import add_rows
from acmix.tools.rehearsal.npu.registry import Spec, aclnn, operator

_MODES = {"constant": "constant", "reflect": "reflect", "edge": "edge"}
_MIRROR_MODES = {"REFLECT": "reflect", "SYMMETRIC": "symmetric"}


@operator("Pad", "x paddings >y")
def pad(x: np.ndarray, paddings: np.ndarray) -> np.ndarray:
    """Return x with zeros around it: ``paddings`` (axes, 2), before and after."""
    return np.pad(x, paddings)


@operator("PadD", "x >y")
def pad_d(x: np.ndarray, *, paddings: Sequence[Sequence[int]]) -> np.ndarray:
    """Return x with zeros around it: ``paddings`` (axes, 2), before and after."""
    return np.pad(x, paddings)


@operator("PadV3", "x paddings constant_values >y")
def pad_v3(
    x: np.ndarray,
    paddings: np.ndarray,
    value: np.ndarray | None,
    *,
    mode: str = "constant",
    paddings_contiguous: bool = True,
) -> np.ndarray:
    """Return x with pads around it.

    ``paddings`` are all pairs of before and after, or all befores and then all afters.
    """
    if mode not in _MODES:
        raise ValueError(f"mode {mode} is not known")
    pairs = paddings.reshape(-1, 2) if paddings_contiguous else paddings.reshape(2, -1).T
    if mode == "constant":
        return _constant(x, pairs.tolist(), 0 if value is None else value.ravel()[0])
    return np.pad(x, pairs, _MODES[mode])  # type: ignore[call-overload]


@operator("MirrorPad", "x paddings >y")
def mirror_pad(x: np.ndarray, paddings: np.ndarray, *, mode: str) -> np.ndarray:
    """Return x mirrored around it; with REFLECT, its border counts once."""
    if mode not in _MIRROR_MODES:
        raise ValueError(f"mode {mode} is not known")
    return np.pad(x, paddings, _MIRROR_MODES[mode])  # type: ignore[call-overload]


@aclnn("aclnnConstantPadNd", "self pad value >out")
def constant_pad(x: np.ndarray, flat: Sequence[int], value: float) -> np.ndarray:
    """Return x with ``value`` around it, the last axis first; a negative pad cuts."""
    return _constant(x, _from_last(x, flat), value)


@aclnn("aclnnReflectionPad1d", "self padding >out")
@aclnn("aclnnReflectionPad2d", "self padding >out")
def reflection_pad(x: np.ndarray, flat: Sequence[int]) -> np.ndarray:
    """Return x mirrored around it, the last axis first; its border counts once."""
    return np.pad(x, _from_last(x, flat), "reflect")


@aclnn("aclnnReflectionPad1dBackward", "grad_output self padding >grad_input")
@aclnn("aclnnReflectionPad2dBackward", "grad_output self padding >grad_input")
def reflection_pad_backward(gradient: np.ndarray, x: np.ndarray, flat: Sequence[int]) -> np.ndarray:
    """Return the gradient of x: sums over all pixels that show it."""
    return _summed(gradient, x.shape, np.pad(_places(x.shape), _from_last(x, flat), "reflect"))


@aclnn("aclnnReplicationPad1d", "self padding >out")
@aclnn("aclnnReplicationPad2d", "self padding >out")
def replication_pad(x: np.ndarray, flat: Sequence[int]) -> np.ndarray:
    """Return x with its border repeated around it, the last axis first."""
    return np.pad(x, _from_last(x, flat), "edge")


@aclnn("aclnnReplicationPad1dBackward", "grad_output self padding >grad_input")
@aclnn("aclnnReplicationPad2dBackward", "grad_output self padding >grad_input")
def replication_pad_backward(
    gradient: np.ndarray, x: np.ndarray, flat: Sequence[int]
) -> np.ndarray:
    """Return the gradient of x: sums over all pixels that show it."""
    return _summed(gradient, x.shape, np.pad(_places(x.shape), _from_last(x, flat), "edge"))


def _from_last(x: np.ndarray, flat: Sequence[int]) -> list[list[int]]:
    """Return pads of all axes, before and after, from flat ones, the last axis first."""
    given = [list(flat[i : i + 2]) for i in range(0, len(flat), 2)]
    return [[0, 0]] * (x.ndim - len(given)) + given[::-1]


def _constant(x: np.ndarray, pairs: list[list[int]], value: float) -> np.ndarray:
    cut = [slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(x.shape, pairs, strict=True)]
    more = [(max(a, 0), max(b, 0)) for a, b in pairs]
    return np.pad(x[tuple(cut)], more, constant_values=value)


def _places(shape: Sequence[int]) -> np.ndarray:
    return np.arange(np.prod(shape)).reshape(shape)


def _summed(gradient: np.ndarray, shape: Sequence[int], places: np.ndarray) -> np.ndarray:
    total = np.zeros(int(np.prod(shape)), gradient.dtype)
    add_rows(total, places.ravel(), gradient.ravel())
    return total.reshape(shape)


@operator("PadV3Grad", "x paddings >y")
def pad_v3_grad(
    gradient: np.ndarray,
    paddings: np.ndarray,
    *,
    mode: str = "reflect",
    paddings_contiguous: bool = True,
    outputs: Sequence[Spec],
) -> np.ndarray:
    """Return the gradient of what :func:`pad_v3` mirrored or repeated."""
    if mode not in ("reflect", "edge"):
        raise ValueError(f"mode {mode} is not known")
    pairs = paddings.reshape(-1, 2) if paddings_contiguous else paddings.reshape(2, -1).T
    places = np.pad(_places(outputs[0].shape), pairs, _MODES[mode])  # type: ignore[call-overload]
    return _summed(gradient, outputs[0].shape, places)


@operator("MirrorPadGrad", "x paddings >y")
def mirror_pad_grad(
    gradient: np.ndarray, paddings: np.ndarray, *, mode: str, outputs: Sequence[Spec]
) -> np.ndarray:
    """Return the gradient of what :func:`mirror_pad` mirrored."""
    shape = outputs[0].shape
    return _summed(gradient, shape, mirror_pad(_places(shape), paddings, mode=mode))

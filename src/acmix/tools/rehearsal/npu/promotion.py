"""The type in which CANN computes operands of several types."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Operand = np.ndarray | float
"""A tensor, or the value of a scalar: a float, an integer or a bool of Python."""

Function = Callable[..., np.ndarray]


def common(*operands: Operand) -> list[np.ndarray]:
    """Return operands in their common type, at least one of which is a tensor.

    Floats win over integers, and the wider type over the narrower. A scalar raises the type of the
    tensors only to another kind: of bool to int64, of both to float32.
    """
    types = [one.dtype for one in operands if isinstance(one, np.ndarray)]
    scalars = [one for one in operands if not isinstance(one, np.ndarray)]
    floating = [one for one in types if one.kind == "f"]
    wanted: np.dtype = np.result_type(*(floating or types))
    if wanted.kind != "f" and any(isinstance(one, float) for one in scalars):
        wanted = np.dtype(np.float32)
    elif wanted.kind == "b" and not all(isinstance(one, bool) for one in scalars):
        wanted = np.dtype(np.int64)
    return [np.asarray(one, wanted) for one in operands]


def real(*operands: Operand) -> list[np.ndarray]:
    """Return operands in their common type, float32 if that is an integer's."""
    return [one if one.dtype.kind == "f" else one.astype(np.float32) for one in common(*operands)]


def in_common(function: Function) -> Function:
    """Return a function of operands that computes in their common type."""

    def computed(*operands: Operand) -> np.ndarray:
        return function(*common(*operands))

    return computed


def in_real(function: Function) -> Function:
    """Return a function of operands that computes in floats."""

    def computed(*operands: Operand) -> np.ndarray:
        return function(*real(*operands))

    return computed

"""Constants that depend on a shape, made once while a graph is compiled."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
from mindspore import Tensor
from mindspore.ops.primitive import constexpr


def constant(function: Callable):
    """Let ``construct`` call a plain Python function of plain numbers.

    In graph mode the call runs at compile time and its value becomes a constant of the graph; in
    PyNative mode it is an ordinary call. Values are kept, one per argument list.
    """
    kept = functools.lru_cache(maxsize=512)(function)

    @functools.wraps(function)
    def evaluate(*args):
        return kept(*args)

    return constexpr(evaluate)


def tensor_constant(function: Callable[..., np.ndarray | None]):
    """Do as :func:`constant` for a function that returns a NumPy array: give it as a Tensor."""

    @functools.wraps(function)
    def evaluate(*args):
        return Tensor(function(*args))

    return constant(evaluate)

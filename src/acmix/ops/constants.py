"""Constants that depend on a shape, made once while a graph is compiled."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from mindspore import Tensor
from mindspore.ops.primitive import constexpr

from acmix.errors import check


def constant(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let ``construct`` call a plain Python function of plain numbers.

    In graph mode the call runs at compile time and its value becomes a constant of the graph; in
    PyNative mode it is an ordinary call. Values are kept, one per argument list.

    Raises:
        UserError: while compiling, if an argument is a size that ``set_inputs`` leaves open.
    """
    kept = functools.lru_cache(maxsize=512)(function)

    @functools.wraps(function)
    def evaluate(*args: Any) -> Any:
        check(
            None not in args,
            "Height and width must be known when a graph is compiled, and set_inputs leaves them "
            "open. Give it their sizes: Tensor(shape=[None, C, H, W]). The batch may stay open; "
            "each size is compiled once.",
        )
        return kept(*args)

    return constexpr(evaluate)


def tensor_constant(function: Callable[..., np.ndarray | None]) -> Callable[..., Any]:
    """Do as :func:`constant` for a function that returns a NumPy array: give it as a Tensor."""

    @functools.wraps(function)
    def evaluate(*args: Any) -> Tensor:
        return Tensor(function(*args))

    return constant(evaluate)


@tensor_constant
def column_of_ones(count: int) -> np.ndarray:
    """Return ones (count, 1): a product with it adds up, one with its transpose spreads."""
    return np.ones((count, 1), np.float32)

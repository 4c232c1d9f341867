"""Compilation of the engine's functions."""

from __future__ import annotations

from collections.abc import Callable

import mindspore as ms


def compiled(function: Callable) -> Callable:
    """Return the function, compiled in graph mode; PyNative mode leaves it to a debugger."""
    return ms.jit(function) if ms.get_context("mode") == ms.GRAPH_MODE else function

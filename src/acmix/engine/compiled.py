"""Compilation of the engine's functions."""

from __future__ import annotations

from collections.abc import Callable

import mindspore as ms

# ``ms.jit`` does not read the level that is set for Cells. It has O2 by the name of its back end.
_OPTIONS: dict[str, dict[str, str]] = {
    "": {},  # MindSpore's default for the device
    "O0": {"jit_level": "O0", "backend": "ms_backend"},
    "O1": {"jit_level": "O1", "backend": "ms_backend"},
    "O2": {"backend": "GE"},
}


def compiled(function: Callable) -> Callable:
    """Return the function, compiled in graph mode at the level that is set (``runtime.jit_level``).

    PyNative mode leaves it to a debugger.

    Args:
        function: returns tensors; the graph engine of Ascend (O2) refuses one that returns nothing.
    """
    if ms.get_context("mode") != ms.GRAPH_MODE:
        return function
    return ms.jit(function, **_OPTIONS[ms.get_context("jit_level")])

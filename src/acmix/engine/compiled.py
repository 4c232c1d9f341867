"""Where the engine compiles."""

from __future__ import annotations

from collections.abc import Callable

import mindspore as ms


def compiled(function: Callable) -> Callable:
    """In graph mode the compiled function; in PyNative mode the function, open to a debugger."""
    return ms.jit(function) if ms.get_context("mode") == ms.GRAPH_MODE else function

"""Peak memory of a computation, measured in a process of its own."""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

Computation = Callable[[], object]


def peak_memory(make: Callable[..., tuple[Computation, Computation]], *args: Any) -> int | None:
    """Return by how many bytes a computation raises the resident memory of a fresh process.

    MindSpore tells the peak of its memory on Ascend and GPU, on CPU it tells 0; the kernel counts
    there. It counts whatever grows, hence a process of its own, and a small computation first that
    brings in what compiling and threads need.

    Args:
        make: function at module level that returns the small computation and the one to measure.
        *args: its arguments.

    Returns:
        Bytes of two runs, the first of which compiles; None where there is no ``/proc``.
    """
    if not Path("/proc/self/clear_refs").exists():
        return None
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure, (make, args))


def _measure(make: Callable[..., tuple[Computation, Computation]], args: tuple) -> int:
    small, measured = make(*args)
    small()
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts from what is resident now
    for _ in range(2):
        measured()
    return _status("VmHWM") - before


def _status(name: str) -> int:
    """Return a field of /proc/self/status in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        field, _, value = line.partition(":")
        if field == name:
            return int(value.split()[0]) * 1024
    raise KeyError(name)

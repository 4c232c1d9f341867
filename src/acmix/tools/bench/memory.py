"""Peak memory of a computation, measured in a separate process."""

from __future__ import annotations

from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

Computation = Callable[[], object]


def peak_memory(make: Callable[..., tuple[Computation, Computation]], *args: Any) -> int | None:
    """Return by how many bytes a computation raises the resident memory of a new process.

    MindSpore reports peak memory on Ascend and GPU, but 0 on CPU, so the Linux kernel counts here.
    It counts the whole process. A separate process and a small computation first exclude the
    memory of compilation and threads.

    Args:
        make: module-level function that returns the small computation and the measured one.
        *args: arguments of ``make``.

    Returns:
        Peak bytes over two runs, the first of which compiles; None without ``/proc``.
    """
    if not Path("/proc/self/clear_refs").exists():
        return None
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure, (make, args))


def _measure(make: Callable[..., tuple[Computation, Computation]], args: tuple[Any, ...]) -> int:
    small, measured = make(*args)
    small()
    before = _status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak to the resident memory
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

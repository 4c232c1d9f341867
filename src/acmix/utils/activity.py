"""What a process of a job is doing, for the launcher that started it.

The record is a small file in memory that both processes have open: neither a full disk nor a slow
network file system is in the way, and a process that hangs need not answer.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace

_VARIABLE = "ACMIX_ACTIVITY"
_NAME = "acmix-activity"
_BYTES = 512  # of each of three parts, each with one writer
_ACTIVITY, _SIGNAL, _REQUEST = 0, _BYTES, 2 * _BYTES
_LONGEST = 100


@dataclass(frozen=True)
class Activity:
    """What a process is doing."""

    what: str = "starting"
    step: int = 0
    """The last training step that was begun in this process; 0 before."""
    meets: bool = False
    """Whether other processes take part, so that this one may be waiting for them."""
    code: int | None = None
    """Exit code of the program once its work is done, and only MindSpore's own end is left."""


class Board:
    """The record of one process, on the launcher's side.

    Attributes:
        descriptor: to be inherited by the process.
    """

    def __init__(self) -> None:
        self.descriptor = os.memfd_create(_NAME)
        self._last = Activity()

    def environment(self) -> dict[str, str]:
        """Return the variable by which the process finds the record."""
        return {_VARIABLE: str(self.descriptor)}

    def activity(self) -> Activity:
        """Return what the process is doing; the previous record while a new one is written."""
        with suppress(ValueError, TypeError):
            self._last = Activity(**json.loads(os.pread(self.descriptor, _BYTES, _ACTIVITY)))
        return self._last

    def signal(self) -> str | None:
        """Return the name of the signal that the process got; None if it got none."""
        return _read(self.descriptor, _SIGNAL)

    def request_stop(self, name: str) -> None:
        """Tell why a SIGTERM follows: what the launcher got, such as ``Ctrl-C``."""
        _write(self.descriptor, _REQUEST, name)

    def close(self) -> None:
        """Close the record."""
        os.close(self.descriptor)


_activity = Activity()


def doing(what: str, step: int | None = None, *, meets: bool = False) -> None:
    """Record what this process does from now on.

    Args:
        what: a phrase such as ``"saving step 7"``.
        step: number of the training step; None leaves it as it is.
        meets: whether other processes take part.
    """
    step = _activity.step if step is None else step
    _record(replace(_activity, what=what[:_LONGEST], step=step, meets=meets))


def finished(code: int) -> None:
    """Record that the work of this process is done, and its exit code.

    What MindSpore does when a process ends, such as leaving a cluster whose scheduler has died, may
    crash or wait for ever: neither is a failure of the work.
    """
    _record(replace(_activity, what="ending", code=code))


@contextmanager
def meeting() -> Iterator[None]:
    """Record that this process waits for the others; afterwards it does what it did before."""
    before = _activity
    doing("waiting for the other ranks", meets=True)
    try:
        yield
    finally:
        doing(before.what, meets=before.meets)


def report_signal(name: str) -> None:
    """Tell the launcher that this process got a signal."""
    descriptor = _descriptor()
    if descriptor is not None:
        _write(descriptor, _SIGNAL, name)


def requested_stop() -> str | None:
    """Return the signal that the launcher got and passes on; None if it passes none on."""
    descriptor = _descriptor()
    return None if descriptor is None else _read(descriptor, _REQUEST)


def has_launcher() -> bool:
    """Whether :mod:`acmix.launch` started this process; it kills what does not stop."""
    return _descriptor() is not None


def _record(activity: Activity) -> None:
    global _activity
    _activity = activity
    descriptor = _descriptor()
    if descriptor is not None:
        _write(descriptor, _ACTIVITY, json.dumps(asdict(activity)))


@functools.cache
def _descriptor() -> int | None:
    """Return the descriptor of the record; None if no launcher has given one."""
    text = os.environ.pop(_VARIABLE, "")  # not for what this process starts itself
    if not text.isdigit():
        return None
    descriptor = int(text)
    try:
        if _NAME not in os.readlink(f"/proc/self/fd/{descriptor}"):
            return None
        os.set_inheritable(descriptor, False)
    except OSError:
        return None
    return descriptor


def _write(descriptor: int, start: int, text: str) -> None:
    os.pwrite(descriptor, text.encode()[:_BYTES].ljust(_BYTES), start)


def _read(descriptor: int, start: int) -> str | None:
    content = os.pread(descriptor, _BYTES, start).decode(errors="replace")
    return content.strip("\0 ") or None

"""Standard streams that are closed, full or gone end no work, and take any name."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import TextIO

_STANDARD = (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w"))


class LossyStream(io.TextIOWrapper):
    """Text stream that drops what cannot be written, and keeps the reason.

    A full disk below a log, or a pager that was closed, must not end a training run.

    Attributes:
        lost: the first error; None if nothing was dropped.
    """

    lost: OSError | None = None

    def write(self, text: str) -> int:
        """Write ``text``, or drop it."""
        try:
            return super().write(text)
        except OSError as error:
            self._give_up(error)
            return len(text)

    def flush(self) -> None:
        """Flush what was written, or drop it."""
        try:
            super().flush()
        except OSError as error:
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self.lost = self.lost or error
        with contextlib.suppress(OSError):  # else the buffer would be tried again, until the end
            sink = os.open(os.devnull, os.O_WRONLY)
            os.dup2(sink, self.fileno())
            os.close(sink)


def protect_streams() -> None:
    """Open closed standard streams on the null device, and make the others lossy; idempotent.

    Without the first, the next file that is opened takes the place of the closed stream, and
    messages of libraries are written into it. What a stream's encoding lacks is written as an
    escape.
    """
    for name, descriptor, mode in _STANDARD:
        if not _is_open(descriptor):
            sink = os.open(os.devnull, os.O_RDWR)  # takes the smallest free number
            if sink != descriptor:
                os.dup2(sink, descriptor)
                os.close(sink)
        if getattr(sys, name) is None:
            stream = open(descriptor, mode, encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
            setattr(sys, name, stream)
    sys.stdout = _lossy(sys.stdout)
    sys.stderr = _lossy(sys.stderr)


def lost_output() -> OSError | None:
    """Return why standard output was dropped; None if all of it was written."""
    sys.stdout.flush()
    return getattr(sys.stdout, "lost", None)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _lossy(stream: TextIO) -> TextIO:
    if type(stream) is not io.TextIOWrapper:  # one of another program, such as pytest's
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
        return stream
    # A buffer of its own: who holds the old stream, such as a logger, goes on writing to it.
    with contextlib.suppress(OSError):
        stream.flush()
    buffer = open(stream.fileno(), "wb", closefd=False)  # noqa: SIM115
    by_line = stream.line_buffering or stream.write_through  # the latter with PYTHONUNBUFFERED
    return LossyStream(buffer, stream.encoding, "backslashreplace", line_buffering=by_line)

"""Read image files: bounded, and with a word in the log where a file keeps one waiting."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from acmix.errors import UserError
from acmix.utils.reading import read_bytes

_logger = logging.getLogger(__name__)

MAX_FILE_BYTES = 2**31
"""Largest image file in bytes: 16-bit RGBA without compression takes 1.4 GB at the default of
``data.max_image_pixels``."""
MAX_TEXT_BYTES = 2**28
"""Largest list of names in bytes: a line of 40 for each of six million images."""
PATIENCE = 60.0
"""Seconds after which the log names a file that is still being read."""


def read_image_file(path: str) -> bytes:
    """Return the content of an image file.

    Raises:
        OSError: the file is missing, unreadable, no regular file or too large; the text is the
            reason without the path.
    """
    with announced(path):
        try:
            return read_bytes(path, MAX_FILE_BYTES)
        except UserError as error:
            reason = str(error).removeprefix(path).lstrip(": ").removesuffix(".")
            raise OSError(reason) from error


def read_text(path: Path) -> str:
    """Return the content of a text file in UTF-8, such as a list of names.

    Raises:
        UserError: the file is missing, unreadable, larger than 256 MiB, or not UTF-8.
    """
    try:
        return read_bytes(path, MAX_TEXT_BYTES).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8: {error}.") from error


@contextmanager
def announced(name: str) -> Iterator[None]:
    """Name what is being read in the log if that takes longer than :data:`PATIENCE`.

    A read from a network file system whose server is gone never ends, and nothing can end it from
    outside. The line tells which file it is.
    """
    ticket = _watch.begin(name)
    try:
        yield
    finally:
        _watch.end(ticket)


class _Watch:
    """Reads that go on, and the thread that looks at them; it starts with the first read."""

    def __init__(self) -> None:
        self._pending: dict[int, tuple[str, float]] = {}
        self._tickets = count()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def begin(self, name: str) -> int:
        ticket = next(self._tickets)
        self._pending[ticket] = (name, time.monotonic())
        if self._thread is None or not self._thread.is_alive():  # a fork keeps no threads
            with self._lock:
                if self._thread is None or not self._thread.is_alive():
                    self._thread = threading.Thread(target=self._run, daemon=True)
                    self._thread.start()
        return ticket

    def end(self, ticket: int) -> None:
        self._pending.pop(ticket, None)

    def _run(self) -> None:
        told: set[int] = set()
        while True:
            time.sleep(PATIENCE / 4)
            now = time.monotonic()
            pending = dict(self._pending)
            told &= pending.keys()
            for ticket, (name, start) in pending.items():
                if ticket not in told and now - start >= PATIENCE:
                    told.add(ticket)
                    _logger.warning(
                        "%s is still being read after %.0f s: its disk or network file system "
                        "does not answer. Training waits for it.", name, now - start,
                    )  # fmt: skip


_watch = _Watch()

"""Read files of users: bounded, and with every failure as one line that names the file."""

from __future__ import annotations

import logging
import os
import stat
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from acmix.errors import UserError
from acmix.utils.text import shorten

logger = logging.getLogger(__name__)


@contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Raise a UserError that names ``path`` for whatever its reader raises.

    A ``UserError`` passes unchanged; an ``OSError`` gives the system's reason. Anything else is a
    case that the reader does not know: the message asks for a report, and the traceback goes to a
    file.
    """
    try:
        yield
    except UserError:
        raise
    except OSError as error:
        raise unusable(path, error) from error
    except MemoryError as error:
        raise UserError(f"{path} cannot be read: it needs more memory than there is.") from error
    except RecursionError as error:
        raise UserError(f"{path} cannot be read: it is nested too deeply.") from error
    except Exception as error:
        reason = shorten(f"{type(error).__name__}: {error}".splitlines()[0], 120)
        raise UserError(
            f"{path} cannot be read ({reason}). If the file is sound, this is a fault of acmix: "
            f"please report it with {_write_report(path)}."
        ) from error


def unusable(path: str | Path, error: OSError) -> UserError:
    """Return the UserError for a path that the system refuses: the path and the reason."""
    return UserError(f"{path}: {error.strerror or error}.")


def read_bytes(path: str | Path, limit: int) -> bytes:
    """Return the content of a regular file.

    Args:
        path: the file.
        limit: largest size in bytes; what grows while it is read is cut there, too.

    Raises:
        UserError: the file is missing, not readable, larger, or no regular file: reading a pipe
            or a device might never end.
    """
    try:
        # Without O_NONBLOCK, opening a pipe waits for its writer.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        try:
            status = os.fstat(descriptor)
            check_regular(path, status)
            if status.st_size > limit:
                raise UserError(f"{path} has {status.st_size} bytes, more than {limit}.")
            with open(descriptor, "rb", closefd=False) as file:
                return file.read(limit)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise unusable(path, error) from error


def check_regular(path: str | Path, status: os.stat_result | None = None) -> None:
    """Raise UserError unless ``path`` exists and is a regular file, or a link to one."""
    try:
        mode = (status or os.stat(path)).st_mode
    except OSError as error:
        raise unusable(path, error) from error
    except ValueError as error:  # a NUL byte
        raise UserError(f"{path}: {error}.") from error
    if stat.S_ISDIR(mode):
        raise UserError(f"{path} is a folder, not a file.")
    if not stat.S_ISREG(mode):
        raise UserError(f"{path} is no regular file but a pipe, socket or device.")


def _write_report(path: str | Path) -> str:
    """Write the traceback of the current exception to a new file, and return its path."""
    try:
        descriptor, name = tempfile.mkstemp(prefix="acmix-report-", suffix=".log")
        with open(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{path}\n{traceback.format_exc()}")
    except OSError:
        logger.debug("No report could be written.", exc_info=True)
        return "the file itself"
    return name

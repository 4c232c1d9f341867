"""Refuse an output that cannot be written, or that would replace an input, before any work."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from collections.abc import Iterable
from pathlib import Path

from acmix.errors import UserError, check

_LONGEST_NAME = 255  # of all usual file systems, in bytes
_PROBE_BYTES = 4096


def check_output_file(
    path: str | Path, inputs: Iterable[str | Path] = (), what: str = "output"
) -> None:
    """Raise UserError unless a file can be written at ``path``; leaves nothing behind.

    Args:
        path: file to write; an existing regular file would be replaced.
        inputs: files that are read. Those that do not exist are left to their readers.
        what: name of the option or argument in messages.

    Raises:
        UserError: ``path`` is a link, a folder, a pipe or a device, is one of ``inputs``, or
            cannot be written: a missing permission, a full or read-only disk, a name that is too
            long, a parent that is a file.
    """
    check_replaceable(path, inputs, what)
    _probe(Path(path).parent, Path(path), what)


def check_replaceable(
    path: str | Path, inputs: Iterable[str | Path] = (), what: str = "output"
) -> bool:
    """Check what :func:`check_output_file` does, except that the disk takes a file.

    Returns:
        Whether there is a file that would be replaced.
    """
    path = Path(path)
    _check_names(path, what)
    status = _status(path, what)
    if status is None:
        return False
    check(
        not stat.S_ISLNK(status.st_mode),
        f"{what}: {path} is a link, through which nothing is written; name the file it leads "
        "to, or remove it.",
    )
    check(not stat.S_ISDIR(status.st_mode), f"{what}: {path} is a folder; name a file.")
    check(
        stat.S_ISREG(status.st_mode),
        f"{what}: {path} is no regular file but a pipe, socket or device; --json takes - for "
        "standard output.",
    )
    check(
        os.access(path, os.W_OK),
        f"{what}: cannot write {path}: it is protected against writing.",
    )
    for name in inputs:
        check(
            not _is_same(name, status),
            f"{what}: {path} is the input {name}, which would be lost; name another file.",
        )
    return True


def check_output_folder(path: str | Path, what: str = "output") -> None:
    """Raise UserError unless files can be written into the folder ``path``; it is not made.

    Raises:
        UserError: ``path`` is a file, or cannot be made or written into, see
            :func:`check_output_file`.
    """
    _check_names(Path(path), what)
    _probe(Path(path), Path(path), what)


def _check_names(path: Path, what: str) -> None:
    if max((len(os.fsencode(part)) for part in path.parts), default=0) > _LONGEST_NAME:
        raise _refusal(path, what, os.strerror(errno.ENAMETOOLONG))


def _is_same(name: str | Path, status: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(name), status)
    except (OSError, ValueError):
        return False


def _status(path: Path, what: str) -> os.stat_result | None:
    """Return the status of ``path`` itself, None if there is nothing."""
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise _refusal(path, what, getattr(error, "strerror", None) or str(error)) from error


def _probe(folder: Path, path: Path, what: str) -> None:
    """Write a small file into the nearest folder above ``path`` that exists, and remove it."""
    while _status(folder, what) is None and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        kind = "a link to nothing" if folder.is_symlink() and not folder.exists() else "a file"
        raise _refusal(path, what, f"{folder} is {kind}")
    try:
        with tempfile.TemporaryDirectory(prefix=".tmp-", dir=folder) as probe:
            with open(Path(probe) / "probe", "wb") as file:
                file.write(bytes(_PROBE_BYTES))
                file.flush()
                os.fsync(file.fileno())
    except OSError as error:
        raise _refusal(path, what, f"no file can be made in {folder} ({error.strerror})") from error


def _refusal(path: Path, what: str, reason: str) -> UserError:
    return UserError(f"{what}: cannot write {path}: {reason}.")

"""Atomic writes: readers never see a partly written file."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from acmix.errors import UserError

_STAGING = ".tmp-"
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)


@contextmanager
def staging_folder(parent: Path) -> Iterator[Path]:
    """Yield a temporary folder in ``parent``, so that :func:`publish` is one rename.

    Creates ``parent`` if it is missing. Always removes the temporary folder at the end.

    Raises:
        UserError: ``parent`` cannot be created or written to, or the disk is full.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=_STAGING, dir=parent))
    except OSError as error:
        raise UserError(f"output: cannot write into {parent}: {error.strerror}.") from error
    try:
        with translate_disk_errors(parent):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def translate_disk_errors(folder: Path) -> Iterator[None]:
    """Raise a UserError that names ``folder`` for a full, failing or read-only disk."""
    try:
        yield
    except OSError as error:
        if error.errno not in _DISK_ERRORS:
            raise
        raise UserError(
            f"cannot write into {folder}: {error.strerror}. What was there before is unchanged; "
            "make room, or choose another disk."
        ) from error


def remove_staging_folders(parent: Path) -> None:
    """Remove the folders of killed processes; no process may be writing at the same time."""
    for folder in parent.glob(f"{_STAGING}*"):
        shutil.rmtree(folder, ignore_errors=True)


def publish(staged: Path, target: Path) -> None:
    """Rename ``staged`` to ``target`` atomically, flushed to disk, with the usual permissions.

    Args:
        staged: a complete file on the same file system as ``target``.
        target: its new path; an existing file is replaced.
    """
    # MindSpore creates files with mode 0400; use the umask instead.
    os.chmod(staged, 0o666 & ~_umask())
    with open(staged, "rb") as file:
        os.fsync(file.fileno())
    os.replace(staged, target)
    # The rename is durable only after fsync of the folder, which some network file systems refuse.
    with suppress(OSError):
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` atomically."""
    with staging_folder(path.parent) as folder:
        staged = folder / path.name
        staged.write_text(text, encoding="utf-8")
        publish(staged, path)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 digest of a file, read in chunks."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

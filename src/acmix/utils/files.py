"""Files that are never seen half-written."""

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
    """A temporary folder beside the final files, so that :func:`publish` is one rename.

    ``parent`` is made when it is missing. The folder is removed at the end, whatever happened.

    Raises:
        UserError: ``parent`` cannot be made or written to, or the disk is full.
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
    """Turn a full, failing or read-only disk into a UserError that names ``folder``."""
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
    """Remove what processes that were killed while writing left; none may be writing now."""
    for folder in parent.glob(f"{_STAGING}*"):
        shutil.rmtree(folder, ignore_errors=True)


def publish(staged: Path, target: Path) -> None:
    """Move ``staged`` over ``target`` in one step, flushed to the disk and readable as usual.

    Args:
        staged: A finished file on the same file system as ``target``.
        target: Its name from now on; an older file of that name is replaced.
    """
    # MindSpore leaves its files at 0400; a new file gets what the umask grants.
    os.chmod(staged, 0o666 & ~_umask())
    with open(staged, "rb") as file:
        os.fsync(file.fileno())
    os.replace(staged, target)
    # The rename itself is on the disk only with the folder; some network file systems refuse.
    with suppress(OSError):
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` so that readers see the old file or the whole new one."""
    with staging_folder(path.parent) as folder:
        staged = folder / path.name
        staged.write_text(text, encoding="utf-8")
        publish(staged, path)


def sha256_of(path: Path) -> str:
    """Digest of a file, read in pieces."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(2**20):
            digest.update(piece)
    return digest.hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

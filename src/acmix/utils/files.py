"""Files that are never seen half-written."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from acmix.errors import UserError


@contextmanager
def staging_folder(parent: Path) -> Iterator[Path]:
    """A temporary folder beside the final files, so that :func:`publish` is one rename.

    ``parent`` is made when it is missing. The folder is removed at the end, whatever happened.

    Raises:
        UserError: ``parent`` cannot be made or written to.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=".tmp-", dir=parent))
    except OSError as error:
        raise UserError(f"output: cannot write into {parent}: {error.strerror}.") from error
    try:
        yield folder
    finally:
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


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` so that readers see the old file or the whole new one."""
    with staging_folder(path.parent) as folder:
        staged = folder / path.name
        staged.write_text(text, encoding="utf-8")
        publish(staged, path)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask

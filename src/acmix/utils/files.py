"""Atomic writes: readers never see a partly written file."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from acmix.errors import UserError

_STAGING = ".tmp-"
_PLAIN = re.compile(r"[0-9A-Za-z_./-]+")
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)


@contextmanager
def staging_folder(parent: Path) -> Iterator[Path]:
    """Yield a temporary folder in ``parent``, so that :func:`publish` is one rename.

    Creates ``parent`` if it is missing, and removes it again if nothing was put into it. Always
    removes the temporary folder at the end.

    Raises:
        UserError: ``parent`` cannot be created or written to, or the disk is full.
    """
    missing = [above for above in (parent, *parent.parents) if not above.exists()]
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
        with suppress(OSError):  # those that hold something stay
            for made in missing:
                made.rmdir()


@contextmanager
def plain_path(folder: Path) -> Iterator[Path]:
    """Yield a path to ``folder`` of letters, digits and ``/ _ - .`` only.

    MindSpore refuses the names of other files: a space, ``+``, an accent. A link in the system's
    folder of temporary files leads to such a folder.
    """
    if _PLAIN.fullmatch(str(folder)):
        yield folder
        return
    parent = tempfile.gettempdir()
    with tempfile.TemporaryDirectory(dir=parent if _PLAIN.fullmatch(parent) else "/tmp") as links:
        link = Path(links) / "folder"
        link.symlink_to(folder.absolute(), target_is_directory=True)
        yield link


@contextmanager
def utf8_path(file: Path) -> Iterator[Path]:
    """Yield ``file``, or a temporary copy of it if its path is not UTF-8.

    MindSpore and ONNX Runtime take paths as UTF-8 only, and resolve links.
    """
    try:
        str(file.resolve()).encode()
    except UnicodeEncodeError:
        pass
    else:
        yield file
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / f"copy{file.suffix}"
        shutil.copyfile(file, copy)
        yield copy


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


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise a UserError that names ``path`` for a system error other than trouble with the disk."""
    try:
        yield
    except OSError as error:
        if error.errno in _DISK_ERRORS:  # for translate_disk_errors
            raise
        raise UserError(f"cannot write {path}: {error.strerror or error}.") from error


def remove_staging_folders(parent: Path) -> None:
    """Remove the folders of killed processes; no process may be writing at the same time."""
    for folder in parent.glob(f"{_STAGING}*"):
        shutil.rmtree(folder, ignore_errors=True)


def publish(staged: Path, target: Path) -> None:
    """Rename ``staged`` to ``target`` atomically, flushed to disk, with the usual permissions.

    Args:
        staged: a complete file on the same file system as ``target``.
        target: its new path; an existing file is replaced, and so is a link, not what it leads to.

    Raises:
        UserError: ``target`` is a folder or a device, or cannot be written.
    """
    with writing(target):
        if os.path.lexists(target) and not (target.is_symlink() or target.is_file()):
            raise UserError(f"cannot write {target}: it is no regular file.")
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
    """Write ``text`` to ``path`` atomically, see :func:`text_file`."""
    with text_file(path) as file:
        file.write(text)


@contextmanager
def text_file(path: Path) -> Iterator[TextIO]:
    r"""Yield a file for UTF-8 that appears at ``path``, whole, when the body ends without an error.

    What has no UTF-8, such as a byte of a file's name, becomes an escape like ``\udce9``, which
    JSON reads back.

    Raises:
        UserError: the file cannot be written, or the disk is full.
    """
    with staging_folder(path.parent) as folder:
        staged = folder / path.name
        with writing(path):
            file = open(staged, "w", encoding="utf-8", errors="backslashreplace")  # noqa: SIM115
        with file:
            yield file
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

"""Zip archives of tensors: opened only if small in number, and unpacked only within bounds."""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from acmix.errors import UserError, check
from acmix.utils.limits import MAX_FILE_BYTES, MAX_TENSORS, check_unpacked
from acmix.utils.text import shorten

MAX_DIRECTORY_BYTES = 2**22
"""Largest list of members, which is read whole: 200 bytes for each tensor."""

MAX_WORK_BYTES = 2**34
"""Most bytes to unpack, those that are unpacked again included."""

_END, _END64 = b"PK\x05\x06", b"PK\x06\x06"
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}


class Archive:
    """A zip archive that is open.

    Args:
        path: the file.

    Raises:
        UserError: the file is damaged, or its list of members is larger than the bounds.
    """

    def __init__(self, path: Path):
        self.path = path
        self.size = path.stat().st_size
        check(
            self.size <= MAX_FILE_BYTES,
            f"{path} has {self.size} bytes, more than {MAX_FILE_BYTES}.",
        )
        with damage_reported(path):
            directory = _directory_bytes(path)
            check(
                directory <= MAX_DIRECTORY_BYTES,
                f"{path} has a list of members of {directory} bytes; up to {MAX_DIRECTORY_BYTES} "
                "are read.",
            )
            self._zip = zipfile.ZipFile(path)
        self._members = {member.filename: member for member in self._zip.infolist()}
        check(
            len(self._members) <= MAX_TENSORS,
            f"{path} has {len(self._members)} members; up to {MAX_TENSORS} are read.",
        )
        check_unpacked(path, sum(map(self.bytes_of, self._members)), self.size)
        self._last = "", b""
        self._work = 0

    @property
    def names(self) -> list[str]:
        """Names of the members."""
        return list(self._members)

    def bytes_of(self, name: str) -> int:
        """Return the unpacked size of a member; -1 if there is none."""
        return self._members[name].file_size if name in self._members else -1

    def read(self, name: str) -> bytes:
        """Return the content of a member.

        Raises:
            UserError: it is damaged, encrypted, or compressed by a rare method.
        """
        if self._last[0] == name:  # tensors of one storage follow each other
            return self._last[1]
        member = self._members[name]
        self._work += member.file_size
        check(
            self._work <= MAX_WORK_BYTES,
            f"{self.path}: its tensors share their storages so that more than {MAX_WORK_BYTES} "
            "bytes would be unpacked.",
        )
        check(
            member.compress_type in _METHODS,
            f"{self.path}: '{shorten(name, 100)}' is compressed by a method that neither PyTorch "
            "nor NumPy uses (LZMA, bzip2 or another); it is not read.",
        )
        with damage_reported(self.path):
            self._last = name, self._zip.read(member)
        return self._last[1]

    def close(self) -> None:
        """Close the file."""
        self._zip.close()


@contextmanager
def damage_reported(path: Path) -> Iterator[None]:
    """Raise a UserError for whatever the reader of a damaged archive raises."""
    try:
        yield
    except UserError:
        raise
    except (
        ValueError, EOFError, KeyError, RuntimeError, NotImplementedError, struct.error,
        zipfile.BadZipFile, zlib.error,
    ) as error:  # fmt: skip
        reason = shorten(str(error).splitlines()[0] if str(error) else type(error).__name__, 120)
        raise UserError(f"{path} is damaged: {reason}. Copy or download it again.") from error


def _directory_bytes(path: Path) -> int:
    """Return the size of the list of members, from the record at the end of the archive."""
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 2**16 - 128))
        tail = file.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) < at + 22:
        raise zipfile.BadZipFile("the end of the archive is missing")
    found = int.from_bytes(tail[at + 12 : at + 16], "little")
    before = at - 76  # of 64-bit archives; 20 bytes that point to it lie between
    if found == 2**32 - 1 and before >= 0 and tail[before : before + 4] == _END64:
        found = int.from_bytes(tail[before + 40 : before + 48], "little")
    return found

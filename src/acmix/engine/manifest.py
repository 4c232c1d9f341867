"""``manifest.json``: progress, size and SHA-256 of each checkpoint in a folder.

It avoids reading the checkpoints and detects more damage than their CRC. It is optional: without
an entry the checkpoint itself is read.
"""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from acmix.engine.checkpoint import Progress, read_checkpoint
from acmix.engine.parameter_file import MANIFEST, MAX_MANIFEST_BYTES
from acmix.utils.files import sha256_of, write_text

logger = logging.getLogger(__name__)

_VERSION = 1


@dataclass(frozen=True)
class Entry:
    """Description of one checkpoint."""

    progress: Progress
    size: int
    """In bytes."""
    sha256: str
    """Digest of the file, hexadecimal."""

    @classmethod
    def of(cls, file: Path, progress: Progress | None = None) -> Entry:
        """Describe a checkpoint.

        Args:
            file: the checkpoint.
            progress: known progress of a file just written; None reads and checks the file.

        Raises:
            UserError: the file is damaged.
            OSError: the file cannot be read.
        """
        if progress is None:
            progress = read_checkpoint(file)[1]
        return cls(progress, file.stat().st_size, sha256_of(file))

    def size_matches(self, file: Path) -> bool:
        """Whether ``file`` exists with this size; does not read it."""
        try:
            return file.stat().st_size == self.size
        except OSError:
            return False

    def matches(self, file: Path) -> bool:
        """Whether the content of ``file`` is that of this checkpoint; reads it."""
        try:
            return self.size_matches(file) and sha256_of(file) == self.sha256
        except OSError:
            return False


def read_manifest(folder: Path) -> dict[str, Entry]:
    """Return the entries by file name; empty if the manifest is missing or damaged."""
    path = folder / MANIFEST
    if not path.is_file():
        return {}
    try:
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            raise ValueError("it is too large")
        return {name: _entry(content) for name, content in _content(path).items()}
    except (OSError, ValueError, RecursionError) as error:
        logger.warning("%s is damaged (%s); the checkpoints are read instead.", path, error)
        return {}


def write_manifest(folder: Path, entries: Mapping[str, Entry]) -> None:
    """Replace the manifest atomically by one of these entries.

    Raises:
        UserError: the folder is not writable.
    """
    checkpoints = {name: asdict(entry) for name, entry in entries.items()}
    content = {"version": _VERSION, "checkpoints": checkpoints, "crc32": _crc_of(checkpoints)}
    write_text(folder / MANIFEST, json.dumps(content, indent=1) + "\n")


def _content(path: Path) -> dict[str, object]:
    tree = json.loads(path.read_bytes())
    if not isinstance(tree, dict) or tree.get("version") != _VERSION:
        raise ValueError("another version's, or none")
    checkpoints = tree.get("checkpoints")
    if not isinstance(checkpoints, dict) or tree.get("crc32") != _crc_of(checkpoints):
        raise ValueError("its CRC does not fit")
    return checkpoints


def _crc_of(checkpoints: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(checkpoints, sort_keys=True).encode())


def _entry(content: object) -> Entry:
    if not isinstance(content, dict) or set(content) != {"progress", "size", "sha256"}:
        raise ValueError("an entry without progress, size and sha256")
    progress, size, sha256 = content["progress"], content["size"], content["sha256"]
    if not (isinstance(progress, dict) and type(size) is int and isinstance(sha256, str)):
        raise ValueError("an entry of other types")
    return Entry(Progress.from_dict(progress), size, sha256)

"""List the images below a folder, to any depth, and everything there that is not read."""

from __future__ import annotations

import logging
import os
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from acmix.data.files import announced
from acmix.data.names import composed, listed

_logger = logging.getLogger(__name__)

EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
"""Suffixes, in any case, of files that are taken for images unseen."""

_HEAD = 16
_SIGNATURES = (
    b"\xff\xd8\xff",  # JPEG
    b"\x89PNG\r\n\x1a\n",
    b"BM",
    b"GIF87a",
    b"GIF89a",
    b"II*\x00",  # TIFF, both byte orders
    b"MM\x00*",
)
# Why an entry is not read, the gravest first.
DEAD_LINK = "dead link"
UNREADABLE = "unreadable"
SPECIAL = "pipe, socket or device"
SEEN = "folder read already by another way"
NO_IMAGE = "no image"
NO_CLASS = "beside the classes"
HIDDEN = "hidden"
_REASONS = (DEAD_LINK, UNREADABLE, SPECIAL, SEEN, NO_IMAGE, NO_CLASS, HIDDEN)


@dataclass
class Listing:
    """What lies below a folder; paths are relative to it, with forward slashes.

    Attributes:
        images: image files, sorted by the parts of their paths.
        unread: reason for each other entry, by its path.
    """

    images: list[str] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)


def list_images(folder: str | Path) -> Listing:
    """List the images below ``folder``, in its sub-folders to any depth, through links too.

    A file is an image if its suffix is one of :data:`EXTENSIONS`; any other file (``.jfif``,
    ``.txt``, no suffix) if its first bytes are those of such an image. Hidden entries, whose names
    start with a dot, are not read. A folder that several links lead to is read once, and a link to
    a folder around ``folder`` not at all, so that links in a circle end.

    Raises:
        OSError: ``folder`` itself cannot be listed.
    """
    found = Listing()
    place = Path(folder).resolve()
    seen = {_identity(os.stat(one)) for one in (place, *place.parents)}
    pending = [""]
    while pending:
        parent = pending.pop()
        try:
            with announced(os.path.join(folder, parent)), os.scandir(Path(folder, parent)) as it:
                entries = sorted(it, key=lambda entry: entry.name)
        except OSError:
            if not parent:
                raise
            found.unread[parent] = UNREADABLE
            continue
        for entry in entries:
            path = f"{parent}/{entry.name}" if parent else entry.name
            reason = _reason(entry, seen)
            if reason is not None:
                found.unread[path] = reason
            elif entry.is_dir():
                pending.append(path)
            else:
                found.images.append(path)
    found.images.sort(key=lambda path: composed(path).split("/"))
    return found


def report_unread(folder: Path, unread: dict[str, str]) -> None:
    """Log in one line how many entries below ``folder`` are not read, why, and the first few."""
    if not unread:
        return
    names = sorted(unread, key=lambda name: (_REASONS.index(unread[name]), name))
    counts = Counter(unread.values())
    reasons = ", ".join(f"{counts[reason]} {reason}" for reason in _REASONS if counts[reason])
    _logger.warning(
        "%s: %d files or folders are not read (%s): %s.",
        folder, len(unread), reasons, listed(names),
    )  # fmt: skip


def _reason(entry: os.DirEntry[str], seen: set[tuple[int, int]]) -> str | None:
    """Return why an entry is not read; None for an image, and for a folder, added to ``seen``."""
    if entry.name.startswith("."):
        return HIDDEN
    try:
        if entry.is_dir():
            place = _identity(entry.stat())
            if place in seen:
                return SEEN
            seen.add(place)
            return None
        if not entry.is_file():
            return SPECIAL if os.path.exists(entry.path) else DEAD_LINK
        if os.path.splitext(entry.name)[1].lower() in EXTENSIONS:
            return None
        with open(entry.path, "rb") as file:
            head = file.read(_HEAD)
    except OSError:  # also links in a circle
        return DEAD_LINK if entry.is_symlink() and not os.path.exists(entry.path) else UNREADABLE
    return None if _is_image(head) else NO_IMAGE


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _is_image(head: bytes) -> bool:
    """Return whether a file that starts with ``head`` is of a format that is decoded."""
    is_webp = head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    is_netpbm = re.match(rb"P[1-6]\s[#\d]", head) is not None
    is_bitmap = head[:2] != b"BM" or head[6:10] == bytes(4)  # its reserved bytes; "BM" is a text
    return is_webp or is_netpbm or (head.startswith(_SIGNATURES) and is_bitmap)

"""Find the image files that COCO annotations name."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from acmix.data.names import composed, listed
from acmix.errors import check
from acmix.utils.reading import unusable

_logger = logging.getLogger(__name__)
_MAX_LISTED = 5


def locate(folder: Path, names: Sequence[str], source: Path) -> list[str]:
    """Return the path below ``folder`` of each name in the annotations.

    A name is taken as it is where such a file exists; else with ``/`` for each backslash, which
    tools on Windows write; else a file is taken whose path differs in its form of Unicode alone.
    One line of the log tells of either.

    Args:
        folder: of the images.
        names: ``file_name`` of each image.
        source: the annotations, for messages.

    Raises:
        UserError: a name leads out of ``folder``, a folder cannot be listed, or a file is missing.
    """
    outside = [name for name in names if _leads_out(name) or _leads_out(name.replace("\\", "/"))]
    check(
        not outside,
        f"{source}: file names must be relative to {folder}, got {listed(outside, _MAX_LISTED)}.",
    )
    present: dict[str, set[str]] = {}
    found = [name if _exists(folder, name, present) else name.replace("\\", "/") for name in names]
    unknown = [i for i, name in enumerate(found) if not _exists(folder, name, present)]
    if unknown:
        _match_forms(folder, found, unknown, source)
    as_written = set(found)
    slashed = [name for name in names if "\\" in name and name not in as_written]
    _tell(source, slashed, "with backslashes, which are taken for slashes")
    _report_others(folder, found, present, source)
    return found


def _match_forms(folder: Path, found: list[str], unknown: Sequence[int], source: Path) -> None:
    """Replace the unknown names by those of files that differ in their form of Unicode alone."""
    present = {composed(path): path for path in _walk(folder)}
    matched = {i: present[composed(found[i])] for i in unknown if composed(found[i]) in present}
    missing = [found[i] for i in unknown if i not in matched]
    check(
        not missing,
        f"{len(missing)} of {len(found)} images of {source} are not in {folder}: "
        f"{listed(missing, _MAX_LISTED)}. {_hint(missing[:1], present)}"
        "Complete the folder, or set data.root and the split to where they are.",
    )
    _tell(source, [found[i] for i in matched], "in another form of Unicode than those of the files")
    for i, path in matched.items():
        found[i] = path


def _hint(missing: Sequence[str], present: dict[str, str]) -> str:
    """Return where the first missing image seems to be: in capitals, or in another folder."""
    for name in missing:
        last = PurePosixPath(composed(name)).name.casefold()
        for path in present.values():
            if PurePosixPath(composed(path)).name.casefold() == last:
                return f"There is {listed([path])}, though. "
    return ""


def _report_others(
    folder: Path, found: Sequence[str], present: dict[str, set[str]], source: Path
) -> None:
    """Log the files that lie beside the images and are not in the annotations."""
    known = set(found)
    others = sorted(
        os.path.join(parent, name)
        for parent, entries in present.items()
        for name in entries
        if os.path.join(parent, name) not in known
    )
    if others:
        _logger.info(
            "%s: %d files in %s are not in it and are not read: %s.",
            source, len(others), folder, listed(others, _MAX_LISTED),
        )  # fmt: skip


def _exists(folder: Path, name: str, present: dict[str, set[str]]) -> bool:
    """Return whether a file exists; every folder is listed once, into ``present``."""
    parent, last = os.path.split(name)
    if parent not in present:
        present[parent] = _files(folder / parent)
    return last in present[parent]


def _files(folder: Path) -> set[str]:
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if not entry.is_dir()}
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a NUL byte
        return set()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return set()
        raise unusable(folder, error) from error


def _walk(folder: Path) -> list[str]:
    return [
        os.path.relpath(os.path.join(parent, name), folder)
        for parent, _, files in os.walk(folder)
        for name in files
    ]


def _leads_out(name: str) -> bool:
    return os.path.isabs(name) or ".." in PurePosixPath(name).parts or name[1:3] == ":\\"


def _tell(source: Path, names: Sequence[str], how: str) -> None:
    if names:
        _logger.warning(
            "%s writes %d file names %s, such as %s.", source, len(names), how, listed(names[:1])
        )

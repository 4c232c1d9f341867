"""The image files that a command's arguments name: files, folders, patterns and lists."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from acmix.data.files import read_text
from acmix.data.listing import EXTENSIONS, list_images, report_unread
from acmix.errors import check
from acmix.utils.reading import check_regular, unusable

LIST_MARK = "@"


def image_paths(arguments: Iterable[str], besides: str | Path | None = None) -> list[str]:
    """Return the image files that arguments name, in their order.

    An argument is a file; a folder, of which all images below are taken, sorted, see
    :func:`acmix.data.listing.list_images`; a pattern such as ``'photos/**/*.jpg'``, whose matches
    are sorted; or ``@FILE``, a text file with such an argument on each line. An existing name is
    never taken as a pattern or a list.

    Args:
        arguments: see above.
        besides: folder whose images are left out of the folders that hold it: a command does not
            read the pictures that it wrote before.

    Raises:
        UserError: a file does not exist or is no regular one; a folder has no images or cannot be
            listed; nothing matches a pattern; a list cannot be read or is empty.
    """
    output = None if besides is None else Path(besides).resolve()
    return [path for argument in arguments for path in _expanded(argument, output)]


def _expanded(argument: str, output: Path | None) -> Iterator[str]:
    if argument.startswith(LIST_MARK) and not os.path.lexists(argument):
        lines = read_text(Path(argument.removeprefix(LIST_MARK))).splitlines()
        named = [line.strip() for line in lines if line.strip()]
        check(bool(named), f"{argument} names no images; write a path on each line.")
        for name in named:
            yield from _matches(name, output)
    else:
        yield from _matches(argument, output)


def _matches(name: str, output: Path | None) -> Iterator[str]:
    if os.path.lexists(name) or not glob.has_magic(name):
        yield from _files(name, output)
        return
    found = sorted(glob.glob(name, recursive=True))
    check(bool(found), f"{name} matches no file.")
    for match in found:
        yield from _files(match, output)


def _files(path: str, output: Path | None) -> Iterator[str]:
    if not os.path.isdir(path):
        check_regular(path)
        yield path
        return
    try:
        listing = list_images(path)
    except OSError as error:
        raise unusable(path, error) from error
    images = [name for name in listing.images if not _is_below(Path(path, name), output)]
    check(
        bool(images),
        f"{path} holds no images (known extensions: {', '.join(EXTENSIONS)}; others by their "
        "content).",
    )
    report_unread(Path(path), listing.unread)
    yield from (os.path.join(path, name) for name in images)


def _is_below(path: Path, folder: Path | None) -> bool:
    return folder is not None and folder in path.resolve().parents

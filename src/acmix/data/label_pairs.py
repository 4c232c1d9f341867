"""Find the pairs of images and label files: the same path below two folders, up to suffixes."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from acmix.data.files import read_text
from acmix.data.listing import NO_IMAGE, list_images, report_unread
from acmix.data.names import composed, listed
from acmix.errors import UserError, check
from acmix.utils.reading import unusable

_logger = logging.getLogger(__name__)


def by_stem(folder: Path, suffix: str, what: str) -> dict[str, str]:
    """Return the files below a folder by their paths without the suffix.

    Args:
        folder: of one split.
        suffix: end of the names, in any case; empty for any suffix of an image.
        what: ``images`` or ``labels``.

    Raises:
        UserError: there is no such file, or two have one name.
    """
    try:
        listing = list_images(folder)
    except OSError as error:
        raise unusable(error.filename or folder, error) from error
    # Beside label files lie polygons and the like: only what may hide labels is told of them.
    unread = listing.unread.items()
    report_unread(folder, {p: r for p, r in unread if what == "images" or r != NO_IMAGE})
    files: dict[str, list[str]] = {}
    others = []
    for path in listing.images:
        if not suffix:
            files.setdefault(composed(os.path.splitext(path)[0]), []).append(path)
        elif path.lower().endswith(suffix.lower()):
            files.setdefault(composed(path[: -len(suffix)]), []).append(path)
        else:
            others.append(path)
    if others:
        _logger.info(
            "%s: %d files do not end in %s and are not read: %s.",
            folder, len(others), suffix, listed(others),
        )  # fmt: skip
    check(
        bool(files),
        f"{folder} holds no {what}: no file ends in {suffix or 'a suffix of images'}"
        + (f"; there is {listed(others[:1])}" if others else "")
        + f". Set data.root and data.{what.removesuffix('s')}_suffix to what there is.",
    )
    twice = [path for paths in files.values() if len(paths) > 1 for path in paths]
    check(
        not twice,
        f"{folder}: {what} differ in their suffix or form of Unicode alone, so their partners are "
        f"not known: {listed(twice)}. Remove or rename one of each, or set "
        f"data.{what.removesuffix('s')}_suffix.",
    )
    return {stem: paths[0] for stem, paths in files.items()}


def pair(
    root: Path,
    images: Mapping[str, str],
    labels: Mapping[str, str],
    stems: list[str] | None,
    skip: bool,
) -> list[str]:
    """Return the stems that have an image and a label file, in their order.

    Args:
        root: for messages.
        images: files by stem.
        labels: files by stem.
        stems: those that a list names; None for all.
        skip: whether files without partner are left out.

    Raises:
        UserError: there are such, and ``skip`` is not set, or nothing is left.
    """
    if stems is None:
        without_labels = [path for stem, path in images.items() if stem not in labels]
        without_image = [path for stem, path in labels.items() if stem not in images]
        paired = [stem for stem in images if stem in labels]
    else:
        without_labels = [stem for stem in stems if stem not in labels]
        without_image = [stem for stem in stems if stem not in images]
        paired = [stem for stem in stems if stem in labels and stem in images]
    if not (without_labels or without_image):
        return paired
    faults = []
    if without_labels:
        total = len(images if stems is None else stems)
        faults.append(
            f"{len(without_labels)} of {total} images have no label file: {listed(without_labels)}"
        )
    if without_image:
        total = len(labels if stems is None else stems)
        faults.append(
            f"{len(without_image)} of {total} label files have no image: {listed(without_image)}"
        )
    message = f"{root}: {'; '.join(faults)}."
    if not paired:
        image, label = next(iter(images.values())), next(iter(labels.values()))
        raise UserError(
            f"{message} No image has a label file: a pair has one name but for the suffixes, and "
            f"there are {listed([image])} and {listed([label])}. Set data.image_suffix and "
            "data.label_suffix, or rename the files."
        )
    check(
        skip,
        f"{message} Complete the folders, or remove what has no partner, or set "
        "data.on_corrupt=skip, which leaves it out.",
    )
    _logger.warning("%s They are left out (data.on_corrupt=skip).", message)
    return paired


def read_list(path: Path) -> list[str]:
    """Return the names in a text file with one a line.

    Raises:
        UserError: the file is missing, not UTF-8 or empty, or gives a name twice.
    """
    lines = read_text(path).splitlines()
    names = [composed(line.strip()) for line in lines if line.strip()]
    check(bool(names), f"{path} names no image; it holds one name a line, without suffix.")
    twice = [name for name, count in Counter(names).items() if count > 1]
    check(not twice, f"{path} names {listed(twice)} twice.")
    return names

"""A folder of images: ``root/train/<class>/**`` and ``root/val/<class>/**``."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from acmix.data.listing import EXTENSIONS, HIDDEN, NO_CLASS, list_images, report_unread
from acmix.data.names import check_utf8, composed, listed
from acmix.data.readers import FileReader
from acmix.data.samples import Samples, Split
from acmix.data.tiny_imagenet import LIST, tiny_imagenet_labels
from acmix.errors import check
from acmix.utils.reading import unusable

_logger = logging.getLogger(__name__)

Classes = dict[str, list[str]]
"""Names of the folders of each class; several that differ in their form of Unicode alone."""


def image_folder(root: str | Path | None, split: Split) -> Samples:
    """List the images of one split, without decoding them.

    Classes are the sorted names of the folders in ``root/<split>``, in Unicode's composed form.
    Their images may lie in sub-folders, see :func:`acmix.data.listing.list_images`. One line of
    the log names what is not read.

    Raises:
        UserError: a folder is missing or cannot be listed, there are no classes, a class has no
            images or a name that is not UTF-8, or the classes of ``train`` and ``val`` differ.
    """
    check(
        root is not None,
        "data.root is not set: give the folder that holds train/<class> and val/<class>, "
        "for example data.root=/data/imagenet.",
    )
    folder = Path(str(root)).expanduser() / split
    check(
        folder.is_dir(),
        f"data.root={root}: there is no folder {folder}. An image_folder needs "
        "train/<class>/*.jpg and val/<class>/*.jpg.",
    )
    try:
        return _open(folder)
    except OSError as error:
        raise unusable(error.filename or folder, error) from error


def _open(folder: Path) -> Samples:
    by_class, unread = _classes(folder)
    if _is_tiny_imagenet(folder, by_class):
        files, found = _files_of(folder, by_class)
        classes, labels = tiny_imagenet_labels(folder, files)
        _check_same_classes(folder, {name: [name] for name in classes})
        del unread[LIST]
    else:
        check(
            bool(by_class),
            f"{folder} holds no class folders. Sort the images into {folder.name}/<class>/.",
        )
        check_utf8(by_class, "class folders", folder)
        _check_same_classes(folder, by_class)
        files, found = _files_of(folder, by_class)
        classes = tuple(by_class)
        label_of = {name: label for label, name in enumerate(classes)}
        labels = [label_of[composed(file.split("/", 1)[0])] for file in files]
        _check_not_empty(folder, classes, labels)
        _report_nested(folder, files, classes)
    report_unread(folder, unread | found)
    base = str(folder)
    return Samples(
        classes=classes,
        names=tuple(os.path.join(base, file) for file in files),
        keys=tuple(f"{folder.name}/{file}" for file in files),
        labels=tuple(labels),
        read=FileReader(files, base),
    )


def _classes(folder: Path) -> tuple[Classes, dict[str, str]]:
    """Return the folders in ``folder`` by class, sorted, and why the other entries are not read."""
    classes: Classes = {}
    unread = {}
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.name.startswith("."):
                unread[entry.name] = HIDDEN
            elif entry.is_dir():
                classes.setdefault(composed(entry.name), []).append(entry.name)
            else:
                unread[entry.name] = NO_CLASS
    return dict(sorted(classes.items())), unread


def _is_tiny_imagenet(folder: Path, classes: Classes) -> bool:
    return list(classes) == ["images"] and (folder / LIST).is_file()


def _files_of(folder: Path, classes: Classes) -> tuple[list[str], dict[str, str]]:
    """Return the images of the classes in their order, and what is not read, below ``folder``."""
    files: list[str] = []
    unread: dict[str, str] = {}
    for name in (name for names in classes.values() for name in names):
        listing = list_images(folder / name)
        files += [f"{name}/{path}" for path in listing.images]
        unread |= {f"{name}/{path}": reason for path, reason in listing.unread.items()}
    return files, unread


def _check_not_empty(folder: Path, classes: Sequence[str], labels: Sequence[int]) -> None:
    present = set(labels)
    empty = [name for label, name in enumerate(classes) if label not in present]
    check(
        not empty,
        f"{folder} has no images for {_quoted(empty)} (known extensions: {', '.join(EXTENSIONS)}; "
        "others by their content). Add images or remove the empty folders.",
    )


def _report_nested(folder: Path, files: Sequence[str], classes: Sequence[str]) -> None:
    """Log how many images lie in sub-folders, since these may have been meant as classes."""
    nested = [file for file in files if file.count("/") > 1]
    if nested:
        _logger.info(
            "%s: %d of %d images lie in sub-folders of their classes, such as %s.",
            folder, len(nested), len(files), os.path.dirname(nested[0]),
        )  # fmt: skip
    if len(classes) == 1:
        _logger.warning(
            "%s holds one class, '%s': a class is a folder in %s.", folder, classes[0], folder.name
        )


def _check_same_classes(folder: Path, classes: Classes) -> None:
    """Compare with the other split: an extra class would shift the labels, which are positions."""
    other = folder.with_name("val" if folder.name == "train" else "train")
    others = _classes(other)[0] if other.is_dir() else classes
    if _is_tiny_imagenet(other, others):
        others = classes  # its own reading compares them
    only_here = [name for name in classes if name not in others]
    only_there = [name for name in others if name not in classes]
    differences = [
        f"only in {place.name}: {_quoted(names)}"
        for place, names in ((folder, only_here), (other, only_there))
        if names
    ]
    check(
        not differences,
        f"{folder.parent}: train and val must have the same classes; {'; '.join(differences)}.",
    )
    mixed = [name for name in classes if len({*classes[name], *others[name]}) > 1]
    if mixed:
        _logger.warning(
            "%s: the names of %s are written in two forms of Unicode that look the same (macOS "
            "decomposes accents); they are taken as one class each.",
            folder.parent, _quoted(mixed),
        )  # fmt: skip


def _quoted(names: Sequence[str]) -> str:
    return listed([f"'{name}'" for name in names])

"""Labels of Tiny ImageNet's validation split: ``val/images/*`` and ``val/val_annotations.txt``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from acmix.data.files import read_text
from acmix.data.names import composed, listed
from acmix.errors import check

LIST = "val_annotations.txt"


def tiny_imagenet_labels(folder: Path, files: Sequence[str]) -> tuple[tuple[str, ...], list[int]]:
    """Return the classes, sorted, and the label of each file.

    Args:
        folder: of the split; each line of its list holds a file name in ``images/``, a class and
            further columns, with tabs between them.
        files: paths below ``folder``.

    Raises:
        UserError: the list is not UTF-8, has a line without a class, or misses a file.
    """
    path = folder / LIST
    class_of = {}
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        name, *columns = line.split("\t")
        check(
            bool(columns and columns[0].strip()),
            f"{path}: line {number} is {line[:60]!r}; it must hold a file name and a class with a "
            "tab between them.",
        )
        class_of[composed(f"images/{name}")] = composed(columns[0].strip())
    missing = [file for file in files if composed(file) not in class_of]
    check(
        bool(files) and not missing,
        f"{path} must list the images in {folder / 'images'}; it does not list "
        f"{listed(missing) or 'any that is there'}. Complete it, or sort the images into "
        f"{folder.name}/<class>/.",
    )
    classes = tuple(sorted(set(class_of.values())))
    label_of = {name: label for label, name in enumerate(classes)}
    return classes, [label_of[class_of[composed(file)]] for file in files]

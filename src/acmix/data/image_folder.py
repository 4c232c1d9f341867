"""A folder of images: ``root/train/<class>/*.jpg`` and ``root/val/<class>/*.jpg``."""

from __future__ import annotations

from pathlib import Path

from acmix.data.samples import Samples, Split
from acmix.errors import check
from acmix.utils.text import first_few

_MAX_LISTED = 10
EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")


def image_folder(root: str | Path | None, split: Split) -> Samples:
    """List the images of one split, without reading them.

    Classes are the sorted names of the sub-folders. Hidden entries and files with extensions other
    than :data:`EXTENSIONS` are ignored.

    Raises:
        UserError: a folder is missing, there are no classes, a class has no images, or the classes
            of ``train`` and ``val`` differ.
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
    classes = _classes(folder)
    check(bool(classes), f"{folder} holds no class folders. Sort the images into {split}/<class>/.")
    _check_same_classes(folder, classes)

    paths: list[Path] = []
    labels: list[int] = []
    empty = []
    for label, name in enumerate(classes):
        images = _images(folder / name)
        paths += images
        labels += [label] * len(images)
        if not images:
            empty.append(name)
    check(
        not empty,
        f"{folder} has no images for {_quoted(empty)} (known extensions: {', '.join(EXTENSIONS)}). "
        "Add images or remove the empty folders.",
    )
    return Samples(
        classes=classes,
        names=tuple(str(path) for path in paths),
        keys=tuple(path.relative_to(folder.parent).as_posix() for path in paths),
        labels=tuple(labels),
        read=lambda i: paths[i].read_bytes(),
    )


def _classes(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(entry.name for entry in _visible(folder) if entry.is_dir()))


def _images(folder: Path) -> list[Path]:
    return sorted(
        entry
        for entry in _visible(folder)
        if entry.suffix.lower() in EXTENSIONS and entry.is_file()
    )


def _visible(folder: Path) -> list[Path]:
    return [entry for entry in folder.iterdir() if not entry.name.startswith(".")]


def _check_same_classes(folder: Path, classes: tuple[str, ...]) -> None:
    """Compare with the other split: an extra class would shift the labels, which are positions."""
    other = folder.with_name("val" if folder.name == "train" else "train")
    if not other.is_dir():
        return
    others = _classes(other)
    only_here = [name for name in classes if name not in set(others)]
    only_there = [name for name in others if name not in set(classes)]
    differences = [
        f"only in {place.name}: {_quoted(names)}"
        for place, names in ((folder, only_here), (other, only_there))
        if names
    ]
    check(
        not differences,
        f"{folder.parent}: train and val must have the same classes; {'; '.join(differences)}.",
    )


def _quoted(names: list[str]) -> str:
    return first_few([f"'{name}'" for name in names], _MAX_LISTED)

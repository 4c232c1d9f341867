"""A folder of images: ``root/train/<class>/*.jpg`` and ``root/val/<class>/*.jpg``."""

from __future__ import annotations

from pathlib import Path

from acmix.data.samples import Samples, Split
from acmix.errors import check

EXTENSIONS = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")


def image_folder(root: str | Path | None, split: Split) -> Samples:
    """List the images of one split; nothing is read yet.

    Classes are the sorted names of the sub-folders. Hidden files and folders, and files with other
    extensions than :data:`EXTENSIONS`, are ignored.

    Raises:
        UserError: a missing folder, no classes, a class without images, or class lists that differ
            between ``train`` and ``val``.
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
    """Compare with the other split; labels are positions, so one extra class would shift them."""
    twin = folder.with_name("val" if folder.name == "train" else "train")
    if not twin.is_dir():
        return
    others = _classes(twin)
    only_here = [name for name in classes if name not in set(others)]
    only_there = [name for name in others if name not in set(classes)]
    differences = [
        f"only in {place.name}: {_quoted(names)}"
        for place, names in ((folder, only_here), (twin, only_there))
        if names
    ]
    check(
        not differences,
        f"{folder.parent}: train and val must have the same classes; {'; '.join(differences)}.",
    )


def _quoted(names: list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:10])
    return shown + (f" and {len(names) - 10} more" if len(names) > 10 else "")

"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009) as they are published: binary, or pickled by Python."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from acmix.config import DataConfig
from acmix.data.cifar_files import (
    SIDE,
    Part,
    read_binary,
    read_names,
    read_pickled,
    read_python_names,
)
from acmix.data.samples import Samples, Split
from acmix.errors import UserError, check

_logger = logging.getLogger(__name__)

PUBLISHED = {"train": 50_000, "val": 10_000}
"""Images of the splits as they are published."""


@dataclass(frozen=True)
class Form:
    """One of the forms in which a data set is published.

    Attributes:
        folder: name of the folder that the archive unpacks to.
        files: of each split, in the order of the images.
        names: file of the class names.
        read: reads a file; takes the number of classes.
        read_names: reads the class names.
    """

    folder: str
    files: dict[Split, tuple[str, ...]]
    names: str
    read: Callable[[Path, int], Part]
    read_names: Callable[[Path], tuple[str, ...]]


def _cifar10(folder: str, suffix: str) -> tuple[str, dict[Split, tuple[str, ...]]]:
    train = tuple(f"data_batch_{number}{suffix}" for number in range(1, 6))
    return folder, {"train": train, "val": (f"test_batch{suffix}",)}


def _cifar100(folder: str, suffix: str) -> tuple[str, dict[Split, tuple[str, ...]]]:
    return folder, {"train": (f"train{suffix}",), "val": (f"test{suffix}",)}


def _forms_of_cifar100(labels: str, position: int) -> tuple[Form, ...]:
    return (
        Form(
            *_cifar100("cifar-100-binary", ".bin"),
            f"{labels}_label_names.txt",
            lambda file, classes: read_binary(file, classes, 2, position),
            read_names,
        ),
        Form(
            *_cifar100("cifar-100-python", ""),
            "meta",
            lambda file, classes: read_pickled(file, classes, f"{labels}_labels"),
            lambda file: read_python_names(file, f"{labels}_label_names"),
        ),
    )


FORMS = {
    "cifar10": (
        Form(
            *_cifar10("cifar-10-batches-bin", ".bin"),
            "batches.meta.txt",
            lambda file, classes: read_binary(file, classes, 1, 0),
            read_names,
        ),
        Form(
            *_cifar10("cifar-10-batches-py", ""),
            "batches.meta",
            lambda file, classes: read_pickled(file, classes, "labels"),
            lambda file: read_python_names(file, "label_names"),
        ),
    ),
    "cifar100": _forms_of_cifar100("fine", 1),
    "cifar100_coarse": _forms_of_cifar100("coarse", 0),
}
"""Forms by ``data.name``, in the order in which they are looked for."""


@dataclass(frozen=True)
class ArrayReader:
    """Function from an index to an image of one array, as a PPM file.

    It is not compressed: making it and reading it are copies, and all that takes image files takes
    it.

    Attributes:
        pixels: (N, H, W, 3) uint8.
    """

    pixels: np.ndarray

    def __call__(self, index: int) -> bytes:
        """Return image ``index`` encoded."""
        _, height, width, _ = self.pixels.shape
        return f"P6 {width} {height} 255\n".encode("ascii") + self.pixels[index].tobytes()


def cifar(config: DataConfig, split: Split) -> Samples:
    """Read one split; all of it is in memory, 3 KB an image.

    ``data.root`` is the folder that the archive unpacks to, or the one around it. Which form it
    has is told by its files.

    Raises:
        UserError: there are no such files, one is missing, or one is damaged; names it.
    """
    check(
        config.root is not None,
        "data.root is not set: give the folder that the archive unpacks to, or the one around it, "
        f"such as data.root=/data/{FORMS[config.name][0].folder}.",
    )
    folder, form = _find(config.name, Path(str(config.root)).expanduser(), split)
    classes = form.read_names(folder / form.names)
    parts = [form.read(folder / name, len(classes)) for name in form.files[split]]
    pixels = np.concatenate([part.pixels for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    if len(pixels) != PUBLISHED[split]:
        _logger.warning(
            "%s: the %s split has %d images, not the %d that are published.",
            folder, "training" if split == "train" else "validation", len(pixels), PUBLISHED[split],
        )  # fmt: skip
    # The same for all forms, so that digest() is.
    keys = tuple(f"{split}/{index:05d}" for index in range(len(pixels)))
    return Samples(
        classes=classes,
        names=tuple(
            f"{index} of {folder / name}"
            for name, part in zip(form.files[split], parts, strict=True)
            for index in range(len(part.labels))
        ),
        keys=keys,
        labels=tuple(labels.tolist()),
        read=ArrayReader(pixels.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1).copy()),
    )


def _find(name: str, root: Path, split: Split) -> tuple[Path, Form]:
    """Return the folder of the files and their form."""
    for form in FORMS[name]:
        for folder in (root, root / form.folder):
            missing = [file for file in form.files[split] if not (folder / file).is_file()]
            if len(missing) == len(form.files[split]):
                continue
            missing += [form.names] * (not (folder / form.names).is_file())
            check(
                not missing,
                f"{folder} has not all files of {name}: {', '.join(missing)} "
                f"{'is' if len(missing) == 1 else 'are'} missing. Unpack the archive again.",
            )
            return folder, form
    looked_for = " or ".join(
        f"{_first_and_last(form.files[split])} with {form.names} (in it or in {form.folder}/)"
        for form in FORMS[name]
    )
    present = sorted(path.name for path in root.iterdir())[:10] if root.is_dir() else []
    there = f"It has {', '.join(present)}." if present else "It is no folder, or an empty one."
    raise UserError(f"data.root={root} does not hold {name}. {there} Looked for {looked_for}.")


def _first_and_last(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"

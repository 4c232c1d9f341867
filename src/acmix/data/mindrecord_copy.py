"""Data sets whose images are put into MindRecord files, and image folders read from them.

What is written takes the place of ``data.root``. Of an image folder it has ``<split>.json`` beside
the images, their classes, names and labels; of COCO the annotations, as :mod:`acmix.data.coco`
reads them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from acmix.config import DataConfig, DetectionDataConfig
from acmix.data.coco import annotation_file, coco
from acmix.data.image_folder import image_folder
from acmix.data.integrity import Images
from acmix.data.mindrecord import REMEDY, MindRecordImages, mindrecord_path, write_mindrecord
from acmix.data.samples import Samples, Split
from acmix.errors import UserError, check

_SIDE_CAR = ("classes", "names", "labels")


@dataclass(frozen=True)
class Recorder:
    """How the data set of one ``data.name`` is put into MindRecord files.

    Attributes:
        train_split: returns the name of the training split.
        read: takes the section ``data`` and its root; returns the images of every split, and the
            files that go beside them.
    """

    train_split: Callable[[Any], str]
    read: Callable[[Any, Path], tuple[dict[str, Images], dict[str, bytes]]]


def prepare_mindrecord(config: DataConfig, folder: str | Path) -> dict[str, int]:
    """Write a data set with its images in MindRecord files; ``data.root=folder`` then reads it.

    Args:
        config: the section ``data``; the validation split may be missing.
        folder: must not exist; it appears whole or not at all.

    Returns:
        The number of images of each split.

    Raises:
        UserError: a data set without files, or one that is in MindRecord already; see also
            :func:`acmix.data.mindrecord.write_mindrecord` and what reads the data set.
    """
    check(
        config.name in RECORDERS,
        f"data.name={config.name} has no image files that could be put into MindRecord; take an "
        f"{' or '.join(RECORDERS)}.",
    )
    recorder = RECORDERS[config.name]
    root = Path(str(config.root)).expanduser()
    check(
        not mindrecord_path(root, recorder.train_split(config)).is_file(),
        f"data.root={config.root} is in MindRecord already; name the folder it was made from.",
    )
    splits, beside = recorder.read(config, root)
    write_mindrecord(splits, beside, Path(folder))
    return {split: len(images) for split, images in splits.items()}


def read_image_folder(root: str | Path | None, split: Split) -> Samples:
    """Open one split of an image folder, in MindRecord or as it is; images are read lazily.

    Raises:
        UserError: see :func:`acmix.data.image_folder.image_folder`; files in MindRecord are damaged
            or missing.
    """
    folder = Path(str(root)).expanduser()
    if root is None or not any(folder.glob("*.mindrecord*")):
        return image_folder(root, split)
    file = mindrecord_path(folder, split)
    classes, names, labels = _read_side_car(folder / f"{split}.json")
    return Samples(
        classes=classes,
        names=tuple(f"{name} in {file}" for name in names),
        labels=labels,
        read=MindRecordImages(file, names),
    )


def _of_image_folder(config: DataConfig, root: Path) -> tuple[dict[str, Images], dict[str, bytes]]:
    splits: dict[str, Images] = {}
    beside = {}
    present: list[Split] = ["train", "val"] if (root / "val").is_dir() else ["train"]
    for split in present:
        samples = image_folder(root, split)
        names = tuple(str(Path(name).relative_to(root)) for name in samples.names)
        splits[split] = samples = replace(samples, names=names)
        side_car = {key: getattr(samples, key) for key in _SIDE_CAR}
        beside[f"{split}.json"] = json.dumps(side_car, ensure_ascii=False).encode()
    return splits, beside


def _of_coco(config: DetectionDataConfig, root: Path) -> tuple[dict[str, Images], dict[str, bytes]]:
    splits: dict[str, Images] = {}
    beside = {}
    names: dict[Split, str] = {"train": config.train_split, "val": config.val_split}
    for split, name in names.items():
        file = annotation_file(root, name)
        if split == "val" and not file.is_file():
            continue
        samples = coco(config, split)
        splits[name] = replace(samples, names=tuple(record.name for record in samples.records))
        beside[str(file.relative_to(root))] = file.read_bytes()
    return splits, beside


RECORDERS = {
    "image_folder": Recorder(lambda config: "train", _of_image_folder),
    "coco": Recorder(lambda config: config.train_split, _of_coco),
}
"""By ``data.name``."""


def _read_side_car(file: Path) -> tuple[tuple[str, ...], tuple[str, ...], tuple[int, ...]]:
    """Return classes, names and labels."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        classes, names, labels = (tuple(content[key]) for key in _SIDE_CAR)
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise UserError(f"{file} is damaged or missing: {error!r}. {REMEDY}") from error
    check(
        all(isinstance(name, str) for name in (*classes, *names))
        and len(labels) == len(names)
        and all(type(label) is int and 0 <= label < len(classes) for label in labels),
        f"{file} must hold 'classes', 'names' and a label out of the classes for each name. "
        f"{REMEDY}",
    )
    return classes, names, labels

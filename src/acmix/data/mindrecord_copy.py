"""Write MindRecord copies of data sets, and read image folders from such copies.

``data.root`` can be set to a copy. Next to the MindRecord files, the copy of an image folder has an
index ``<split>.json`` of classes, names and labels. The copy of COCO has the annotation files,
which :mod:`acmix.data.coco` reads.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from acmix.config import DataConfig, DetectionDataConfig
from acmix.data.cifar import FORMS, cifar
from acmix.data.coco import annotation_file, coco
from acmix.data.image_folder import image_folder
from acmix.data.integrity import Images
from acmix.data.json_file import read_json
from acmix.data.label_copy import label_folder_content
from acmix.data.label_folders import LAYOUTS
from acmix.data.mindrecord import REMEDY, MindRecordImages, mindrecord_path, write_mindrecord
from acmix.data.names import check_utf8
from acmix.data.samples import Samples, Split
from acmix.errors import UserError, check

Content = tuple[dict[str, Images], dict[str, bytes]]
"""Images by split, and the contents of additional files by path."""

_INDEX_KEYS = ("classes", "names", "labels")


@dataclass(frozen=True)
class CopySource:
    """Data set of one ``data.name`` that can be copied to MindRecord files.

    Attributes:
        train_split: returns the name of the training split.
        read: takes the section ``data`` and its root; returns the content of the copy.
    """

    train_split: Callable[[Any], str]
    read: Callable[[Any, Path], Content]


def prepare_mindrecord(config: DataConfig, folder: str | Path) -> dict[str, int]:
    """Copy a data set to MindRecord files; set ``data.root=folder`` to use the copy.

    Args:
        config: the section ``data``; the validation split may be missing.
        folder: folder to create; must not exist. It appears complete or not at all.

    Returns:
        The number of images of each split.

    Raises:
        UserError: the data set has no files or is in MindRecord already, or the name of an image
            is not UTF-8, which MindRecord requires; see also
            :func:`acmix.data.mindrecord.write_mindrecord` and the reader of the data set.
    """
    check(
        config.name in COPY_SOURCES,
        f"data.name={config.name} has no image files that could be put into MindRecord; take an "
        f"{' or '.join(COPY_SOURCES)}.",
    )
    source = COPY_SOURCES[config.name]
    root = Path(str(config.root)).expanduser()
    check(
        not mindrecord_path(root, source.train_split(config)).is_file(),
        f"data.root={config.root} is in MindRecord already; name the folder it was made from.",
    )
    splits, extra_files = source.read(config, root)
    write_mindrecord(splits, extra_files, Path(folder))
    return {split: len(images) for split, images in splits.items()}


def read_image_folder(root: str | Path | None, split: Split) -> Samples:
    """Open one split of an image folder or of its MindRecord copy; images are read on demand.

    Raises:
        UserError: see :func:`acmix.data.image_folder.image_folder`; or files of the copy are
            damaged or missing.
    """
    return _open_copy(root, split) or image_folder(root, split)


def read_cifar(config: DataConfig, split: Split) -> Samples:
    """Open one split of CIFAR or of its MindRecord copy.

    Raises:
        UserError: see :func:`acmix.data.cifar.cifar`; or files of the copy are damaged or missing.
    """
    return _open_copy(config.root, split) or cifar(config, split)


def _open_copy(root: str | Path | None, split: Split) -> Samples | None:
    """Open one split of a copy with an index; None if ``root`` is none."""
    folder = Path(str(root)).expanduser()
    if root is None or not any(folder.glob("*.mindrecord*")):
        return None
    file = mindrecord_path(folder, split)
    classes, names, labels = _read_index(folder / f"{split}.json")
    return Samples(
        classes=classes,
        names=tuple(f"{name} in {file}" for name in names),
        keys=names,
        labels=labels,
        read=MindRecordImages(file, names),
    )


def _image_folder_content(config: DataConfig, root: Path) -> Content:
    present: list[Split] = ["train", "val"] if (root / "val").is_dir() else ["train"]
    samples = {split: image_folder(root, split) for split in present}
    for each in samples.values():
        check_utf8(each.keys, "image files", root)
    return _labelled_content(samples)


def _cifar_content(config: DataConfig, root: Path) -> Content:
    splits: tuple[Split, ...] = ("train", "val")
    return _labelled_content({split: cifar(config, split) for split in splits})


def _labelled_content(splits_of: Mapping[Split, Samples]) -> Content:
    """Return the content of a copy with an index of classes, names and labels."""
    splits: dict[str, Images] = {}
    extra_files = {}
    for split, samples in splits_of.items():
        splits[split] = samples = replace(samples, names=samples.keys)
        index = {key: getattr(samples, key) for key in _INDEX_KEYS}
        extra_files[f"{split}.json"] = json.dumps(index, ensure_ascii=False).encode()
    return splits, extra_files


def _coco_content(config: DetectionDataConfig, root: Path) -> Content:
    splits: dict[str, Images] = {}
    extra_files = {}
    names: dict[Split, str] = {"train": config.train_split, "val": config.val_split}
    for split, name in names.items():
        file = annotation_file(root, name)
        if split == "val" and not file.is_file():
            continue
        samples = coco(config, split)
        check_utf8(samples.keys, "image files", file)
        splits[name] = replace(samples, names=tuple(record.name for record in samples.records))
        extra_files[str(file.relative_to(root))] = file.read_bytes()
    return splits, extra_files


COPY_SOURCES = {
    "image_folder": CopySource(lambda config: "train", _image_folder_content),
    **{name: CopySource(lambda config: "train", _cifar_content) for name in FORMS},
    "coco": CopySource(lambda config: config.train_split, _coco_content),
    **{name: CopySource(lambda config: "train", label_folder_content) for name in LAYOUTS},
}
"""Sources of copies by ``data.name``."""


def _read_index(file: Path) -> tuple[tuple[str, ...], tuple[str, ...], tuple[int, ...]]:
    """Return classes, names and labels."""
    try:
        content = read_json(file)
        classes, names, labels = (tuple(content[key]) for key in _INDEX_KEYS)
    except (UserError, TypeError, KeyError) as error:
        raise UserError(f"{file} is damaged or missing: {error}. {REMEDY}") from error
    check(
        all(isinstance(name, str) for name in (*classes, *names))
        and len(labels) == len(names)
        and all(type(label) is int and 0 <= label < len(classes) for label in labels),
        f"{file} must hold 'classes', 'names' and a label out of the classes for each name. "
        f"{REMEDY}",
    )
    return classes, names, labels

"""COCO: ``root/annotations/instances_<split>.json`` and the images in ``root/<split>/``."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from acmix.config import DetectionDataConfig
from acmix.data.annotations import DetectionSamples, Record, read_categories, read_records
from acmix.data.mindrecord import MindRecordImages, mindrecord_path
from acmix.data.samples import Split
from acmix.errors import UserError, check

_NAMED = 5


def coco(config: DetectionDataConfig, split: Split) -> DetectionSamples:
    """List the images of one split and their boxes; no image is read yet.

    The annotations are not kept but read again for the ground truth: those of COCO's training
    split are gigabytes.

    Raises:
        UserError: a missing folder, file or image, a file that is not of COCO's form, see
            :func:`acmix.data.annotations.read_records`, or, when ``train`` is opened, categories
            that differ from those of ``val``.
    """
    names = {"train": config.train_split, "val": config.val_split}
    check(
        config.root is not None,
        "data.root is not set: give the folder that holds annotations/instances_"
        f"{names[split]}.json and {names[split]}/*.jpg, for example data.root=/data/coco.",
    )
    root = Path(str(config.root)).expanduser()
    check(
        root.is_dir(),
        f"data.root={config.root} is no folder; it must hold annotations/ and {names[split]}/.",
    )
    file = annotation_file(root, names[split])
    tree = _read(file)
    categories = read_categories(tree, str(file))
    records = read_records(tree, str(file))
    if split == "train":
        _check_same_categories(categories, file, annotation_file(root, names["val"]))
    read, image_names = _images(root, names[split], records, file)
    return DetectionSamples(
        categories=categories,
        records=records,
        names=image_names,
        read=read,
        tree=lambda: _read(file),
    )


def _images(
    root: Path, split: str, records: Sequence[Record], file: Path
) -> tuple[Callable[[int], bytes], tuple[str, ...]]:
    """Return how the images are read, from a folder or in MindRecord, and what to call each."""
    in_one_file = mindrecord_path(root, split)
    if in_one_file.is_file():
        read = MindRecordImages(in_one_file, [record.name for record in records])
        return read, tuple(f"{record.name} in {in_one_file}" for record in records)
    folder = root / split
    _check_images_exist(folder, records, file)
    paths = tuple(folder / record.name for record in records)
    return lambda i: paths[i].read_bytes(), tuple(str(path) for path in paths)


def annotation_file(root: Path, split: str) -> Path:
    """Return the file of a split's annotations."""
    return root / "annotations" / f"instances_{split}.json"


def _read(file: Path) -> Any:
    """Parse an annotation file."""
    try:
        return json.loads(file.read_bytes())
    except FileNotFoundError:
        there = sorted(path.name for path in file.parent.glob("*.json"))
        raise UserError(
            f"there is no {file}; set data.root, data.train_split and data.val_split to what there "
            f"is. In that folder: {', '.join(there) or 'no JSON files'}."
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{file} cannot be read as JSON: {error}. Download it again.") from error


def _check_same_categories(categories: dict[int, str], file: Path, val_file: Path) -> None:
    """Compare with ``val``, which may be missing.

    Not the other way round: evaluation would have to parse the annotations of the training split.
    """
    if not val_file.is_file():
        return
    others = read_categories(_read(val_file), str(val_file))
    differing = [
        f"{i} is {categories.get(i, 'missing')!r} in {file.name} and {others.get(i, 'missing')!r} "
        f"in {val_file.name}"
        for i in sorted(categories.keys() | others.keys())
        if categories.get(i) != others.get(i)
    ]
    check(
        not differing,
        f"{file.parent}: training and validation must have the same categories, because labels are "
        f"their positions; {_some(differing)}.",
    )


def _check_images_exist(folder: Path, records: Sequence[Record], file: Path) -> None:
    """Look for all images by one listing of each folder they are in."""
    outside = [r.name for r in records if os.path.isabs(r.name) or ".." in Path(r.name).parts]
    check(
        not outside,
        f"{file}: file names must be relative to {folder}, got {_some(outside)}.",
    )
    present = {
        (parent, entry.name)
        for parent in {os.path.dirname(record.name) for record in records}
        for entry in _entries(folder / parent)
    }
    missing = [record.name for record in records if os.path.split(record.name) not in present]
    check(
        not missing,
        f"{len(missing)} of {len(records)} images of {file} are not in {folder}: {_some(missing)}. "
        "Complete the folder, or set data.root and the split to where they are.",
    )


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return list(entries)


def _some(names: Sequence[str]) -> str:
    """Return the first few, and how many more there are."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")

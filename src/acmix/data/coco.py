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
from acmix.utils.text import first_few

_MAX_LISTED = 5


def coco(config: DetectionDataConfig, split: Split) -> DetectionSamples:
    """List the images of one split and their boxes, without reading images.

    The annotations are read again for the ground truth instead of being kept: those of COCO's
    training split take gigabytes.

    Raises:
        UserError: a folder, file or image is missing; a file is not in COCO format, see
            :func:`acmix.data.annotations.read_records`; or, when opening ``train``, its categories
            differ from those of ``val``.
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
    """Return the image reader, for a folder or a MindRecord file, and the image names."""
    mindrecord = mindrecord_path(root, split)
    if mindrecord.is_file():
        read = MindRecordImages(mindrecord, [record.name for record in records])
        return read, tuple(f"{record.name} in {mindrecord}" for record in records)
    folder = root / split
    _check_images_exist(folder, records, file)
    paths = tuple(folder / record.name for record in records)
    return lambda i: paths[i].read_bytes(), tuple(str(path) for path in paths)


def annotation_file(root: Path, split: str) -> Path:
    """Return the annotation file of a split."""
    return root / "annotations" / f"instances_{split}.json"


def _read(file: Path) -> Any:
    """Parse an annotation file."""
    try:
        return json.loads(file.read_bytes())
    except FileNotFoundError:
        present = sorted(path.name for path in file.parent.glob("*.json"))
        raise UserError(
            f"there is no {file}; set data.root, data.train_split and data.val_split to what there "
            f"is. In that folder: {', '.join(present) or 'no JSON files'}."
        ) from None
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{file} cannot be read as JSON: {error}. Download it again.") from error


def _check_same_categories(categories: dict[int, str], file: Path, val_file: Path) -> None:
    """Compare the training categories with those of ``val``, if it exists.

    Evaluation makes no such check, since it would have to parse the large training annotations.
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
        f"their positions; {first_few(differing, _MAX_LISTED)}.",
    )


def _check_images_exist(folder: Path, records: Sequence[Record], file: Path) -> None:
    """Check that all images exist by listing each of their folders once."""
    outside = [r.name for r in records if os.path.isabs(r.name) or ".." in Path(r.name).parts]
    check(
        not outside,
        f"{file}: file names must be relative to {folder}, got {first_few(outside, _MAX_LISTED)}.",
    )
    present = {
        (parent, entry.name)
        for parent in {os.path.dirname(record.name) for record in records}
        for entry in _entries(folder / parent)
    }
    missing = [record.name for record in records if os.path.split(record.name) not in present]
    check(
        not missing,
        f"{len(missing)} of {len(records)} images of {file} are not in {folder}: "
        f"{first_few(missing, _MAX_LISTED)}. "
        "Complete the folder, or set data.root and the split to where they are.",
    )


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return list(entries)

"""COCO: ``root/annotations/instances_<split>.json`` and the images in ``root/<split>/``."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from acmix.config import DetectionDataConfig
from acmix.data.annotations import DetectionSamples, Record
from acmix.data.coco_files import locate
from acmix.data.coco_form import read_categories, read_records, report_unused
from acmix.data.json_file import read_json
from acmix.data.mindrecord import MindRecordImages, mindrecord_path
from acmix.data.names import listed
from acmix.data.readers import FileReader
from acmix.data.samples import Split
from acmix.errors import UserError, check

_logger = logging.getLogger(__name__)
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
    records = read_records(tree, str(file), config.masks)
    if split == "train":
        report_unused(categories, records, str(file))
        _check_same_categories(tree, file, annotation_file(root, names["val"]))
    read, image_names = _images(root, names[split], records, file)
    return DetectionSamples(
        categories=categories,
        records=records,
        names=image_names,
        read=read,
        tree=partial(_read, file),
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
    found = locate(folder, [record.name for record in records], file)
    paths = tuple(str(folder / name) for name in found)
    return FileReader(paths), paths


def annotation_file(root: Path, split: str) -> Path:
    """Return the annotation file of a split."""
    return root / "annotations" / f"instances_{split}.json"


def _read(file: Path) -> Any:
    """Parse an annotation file."""
    if not file.exists():
        present = sorted(path.name for path in file.parent.glob("*.json"))
        raise UserError(
            f"there is no {file}; set data.root, data.train_split and data.val_split to what there "
            f"is. In that folder: {listed(present) or 'no JSON files'}."
        )
    return read_json(file)


def _check_same_categories(tree: Any, file: Path, val_file: Path) -> None:
    """Compare the training categories with those of ``val``, if it exists.

    Evaluation makes no such check, since it would have to parse the large training annotations.
    """
    if not val_file.is_file():
        return
    val_tree = _read(val_file)
    categories, others = read_categories(tree, str(file)), read_categories(val_tree, str(val_file))
    differing = [
        f"{i} is {categories.get(i, 'missing')!r} in {file.name} and {others.get(i, 'missing')!r} "
        f"in {val_file.name}"
        for i in sorted(categories.keys() | others.keys())
        if categories.get(i) != others.get(i)
    ]
    check(
        not differing,
        f"{file.parent}: training and validation must have the same categories, because labels are "
        f"their positions; {listed(differing, _MAX_LISTED)}.",
    )
    written = [{one["id"]: one["name"] for one in each["categories"]} for each in (tree, val_tree)]
    mixed = [categories[i] for i in categories if written[0][i] != written[1][i]]
    if mixed:
        _logger.warning(
            "%s: the names of %s are written in two forms of Unicode that look the same (macOS "
            "decomposes accents); they are taken as one category each.",
            file.parent, listed([f"'{name}'" for name in mixed]),
        )  # fmt: skip

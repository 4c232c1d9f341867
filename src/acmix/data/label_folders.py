"""Folders of images and label files: ADE20K, Cityscapes, PASCAL VOC, and others of their form."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from acmix.config import SegmentationDataConfig
from acmix.data.class_list import ClassList, read_class_list
from acmix.data.label_pairs import by_stem, pair, read_list
from acmix.data.readers import FileReader
from acmix.data.samples import Split
from acmix.data.segmentation_samples import SegmentationSamples
from acmix.errors import UserError, check

_CLASSES = Path(__file__).parent / "classes"
_CLASS_FILES = ("classes.yaml", "classes.yml", "classes.txt")


@dataclass(frozen=True)
class Layout:
    """Where the files of a data set are, below ``data.root``.

    Attributes:
        images: folder of the images by split.
        labels: folders that the labels may be in, by split.
        image_suffix: end of the names of images; empty for any suffix of an image.
        label_suffix: end of the names of label files.
        lists: text file by split with a name a line, without suffixes; empty where the folders
            hold one split each.
        class_file: built-in list of classes.
        reduce_zero_label: default of the key.
    """

    images: Mapping[Split, str]
    labels: Mapping[Split, tuple[str, ...]]
    image_suffix: str = ""
    label_suffix: str = ".png"
    lists: Mapping[Split, str] | None = None
    class_file: str = ""
    reduce_zero_label: bool = False


LAYOUTS = {
    "ade20k": Layout(
        images={"train": "images/training", "val": "images/validation"},
        labels={"train": ("annotations/training",), "val": ("annotations/validation",)},
        class_file="ade20k.yaml",
        reduce_zero_label=True,
    ),
    "cityscapes": Layout(
        images={"train": "leftImg8bit/train", "val": "leftImg8bit/val"},
        labels={"train": ("gtFine/train",), "val": ("gtFine/val",)},
        image_suffix="_leftImg8bit.png",
        label_suffix="_gtFine_labelTrainIds.png",
        class_file="cityscapes.yaml",
    ),
    "voc": Layout(
        images={"train": "JPEGImages", "val": "JPEGImages"},
        labels={"train": ("SegmentationClass",), "val": ("SegmentationClass",)},
        lists={
            "train": "ImageSets/Segmentation/train.txt",
            "val": "ImageSets/Segmentation/val.txt",
        },
        class_file="voc.yaml",
    ),
    "label_folder": Layout(
        images={"train": "images/train", "val": "images/val"},
        labels={
            "train": ("labels/train", "annotations/train"),
            "val": ("labels/val", "annotations/val"),
        },
    ),
}
"""Layouts by ``data.name``."""


def label_folders(config: SegmentationDataConfig, split: Split) -> SegmentationSamples:
    """List the pairs of one split, without decoding them.

    An image and its label file have the same path below their folders, up to the suffixes and the
    form of Unicode.

    Raises:
        UserError: a folder or the class list is missing or cannot be read, there are no images, two
            files have one name, or, unless ``data.on_corrupt=skip``, a file has no partner.
    """
    layout = LAYOUTS[config.name]
    check(
        config.root is not None,
        f"data.root is not set: give the folder that holds {layout.images[split]} and "
        f"{layout.labels[split][0]}.",
    )
    root = Path(str(config.root)).expanduser()
    own_images = config.train_images if split == "train" else config.val_images
    own_labels = config.train_labels if split == "train" else config.val_labels
    image_folder = _folder(root, (own_images or layout.images[split],), f"data.{split}_images")
    own = (own_labels,) if own_labels else layout.labels[split]
    label_folder = _folder(root, own, f"data.{split}_labels")
    images = by_stem(root / image_folder, config.image_suffix or layout.image_suffix, "images")
    labels = by_stem(root / label_folder, config.label_suffix or layout.label_suffix, "labels")
    stems = read_list(root / layout.lists[split]) if layout.lists else None
    paired = pair(root, images, labels, stems, config.on_corrupt == "skip")
    keys = tuple(f"{image_folder}/{images[stem]}" for stem in paired)
    label_keys = tuple(f"{label_folder}/{labels[stem]}" for stem in paired)
    names, label_names = ([os.path.join(root, key) for key in each] for each in (keys, label_keys))
    return SegmentationSamples(
        classes=_classes(config, layout, root),
        names=tuple(names),
        label_names=tuple(label_names),
        keys=keys,
        label_keys=label_keys,
        read=FileReader(names),
        read_labels=FileReader(label_names),
    )


def _folder(root: Path, candidates: tuple[str, ...], key: str) -> str:
    """Return the first folder of the candidates that there is."""
    for name in candidates:
        check(
            not os.path.isabs(name) and ".." not in Path(name).parts,
            f"{key}={name} must be a folder below data.root={root}: the names of the images are "
            "relative to it.",
        )
        if (root / name).is_dir():
            return name.rstrip("/")
    raise UserError(
        f"data.root={root}: there is no folder {' or '.join(candidates)}. Set data.root, or {key} "
        "to where the files are."
    )


def _classes(config: SegmentationDataConfig, layout: Layout, root: Path) -> ClassList:
    reduces = config.reduce_zero_label
    present = [root / name for name in _CLASS_FILES if (root / name).is_file()]
    if config.class_file is not None:
        path = Path(config.class_file).expanduser()
    elif present:
        path = present[0]
    else:
        check(
            bool(layout.class_file),
            f"data.root={root}: there is no list of classes. Write their names into "
            f"{root / _CLASS_FILES[-1]}, one a line in the order of their values, or set "
            "data.class_file.",
        )
        path = _CLASSES / layout.class_file
    return read_class_list(
        path,
        reduce_zero_label=layout.reduce_zero_label if reduces is None else reduces,
        ignores_others=config.unlisted == "ignore",
    )

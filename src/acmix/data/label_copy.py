"""MindRecord copies of folders of images and label files.

Beside the images of a split, in ``<split>.mindrecord``, are its label files in
``<split>_labels.mindrecord`` and an index ``<split>.json`` of the names and the classes.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from acmix.config import SegmentationDataConfig
from acmix.data.class_list import ClassList, make_class_list
from acmix.data.integrity import Images
from acmix.data.json_file import read_json
from acmix.data.label_folders import LAYOUTS, label_folders
from acmix.data.mindrecord import REMEDY, MindRecordImages, mindrecord_path
from acmix.data.names import check_utf8
from acmix.data.samples import Split
from acmix.data.segmentation_samples import SegmentationSamples
from acmix.errors import UserError, check


def read_label_folders(config: SegmentationDataConfig, split: Split) -> SegmentationSamples:
    """Open one split of folders of label files or of their MindRecord copy.

    A copy has the classes that it was made with; ``data.class_file``, ``data.reduce_zero_label``
    and ``data.unlisted`` have no effect on it.

    Raises:
        UserError: see :func:`acmix.data.label_folders.label_folders`; or files of the copy are
            damaged or missing.
    """
    folder = Path(str(config.root)).expanduser()
    if config.root is None or not any(folder.glob("*.mindrecord*")):
        return label_folders(config, split)
    classes, keys, label_keys = _read_index(folder / f"{split}.json")
    file, label_file = (mindrecord_path(folder, name) for name in (split, f"{split}_labels"))
    return SegmentationSamples(
        classes=classes,
        names=tuple(f"{key} in {file}" for key in keys),
        label_names=tuple(f"{key} in {label_file}" for key in label_keys),
        keys=keys,
        label_keys=label_keys,
        read=MindRecordImages(file, keys),
        read_labels=MindRecordImages(label_file, label_keys),
    )


def label_folder_content(
    config: SegmentationDataConfig, root: Path
) -> tuple[dict[str, Images], dict[str, bytes]]:
    """Return the content of a copy: images and label files by split, and the indices."""
    splits: dict[str, Images] = {}
    indices = {}
    for split in _present_splits(config, root):
        samples = label_folders(config, split)
        check_utf8((*samples.keys, *samples.label_keys), "files", root)
        splits[split] = replace(samples, names=samples.keys)
        splits[f"{split}_labels"] = replace(
            samples, names=samples.label_keys, read=samples.read_labels
        )
        index = {
            "images": samples.keys,
            "labels": samples.label_keys,
            "classes": samples.classes.names,
            "values": samples.classes.values,
            "palette": samples.classes.palette,
            "reduce_zero_label": samples.classes.reduce_zero_label,
            "ignores_others": samples.classes.ignores_others,
        }
        indices[f"{split}.json"] = json.dumps(index, ensure_ascii=False).encode()
    return splits, indices


def _present_splits(config: SegmentationDataConfig, root: Path) -> list[Split]:
    layout = LAYOUTS[config.name]
    folder = config.val_images or layout.images["val"]
    file = layout.lists["val"] if layout.lists else folder
    return ["train", "val"] if (root / folder).is_dir() and (root / file).exists() else ["train"]


def _read_index(file: Path) -> tuple[ClassList, tuple[str, ...], tuple[str, ...]]:
    """Return the classes, and the names of images and of label files."""
    try:
        content = read_json(file)
        images, labels, names, values = (
            tuple(content[key]) for key in ("images", "labels", "classes", "values")
        )
        check(
            all(isinstance(name, str) for name in (*images, *labels))
            and 0 < len(images) == len(labels)
            and len(set(values)) == len(names) == len(values),
            "it must hold 'images' and as many 'labels', and 'classes' with their 'values'",
        )
        classes = make_class_list(
            dict(zip(values, names, strict=True)),
            content["palette"],
            str(file),
            reduce_zero_label=content["reduce_zero_label"] is True,
            ignores_others=content["ignores_others"] is True,
        )
    except (UserError, TypeError, KeyError) as error:
        raise UserError(f"{file} is damaged or missing: {error}. {REMEDY}") from error
    return classes, images, labels

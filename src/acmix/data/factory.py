"""`create_dataset`: from the section ``data`` to the batches of one split."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast, get_args

from acmix.config import DataConfig
from acmix.data.annotations import DetectionSamples, drop_empty
from acmix.data.coco import coco
from acmix.data.dataset import ImageDataset
from acmix.data.detection import DetectionDataset
from acmix.data.digits import digits
from acmix.data.image_folder import image_folder
from acmix.data.integrity import drop_corrupt
from acmix.data.mindrecord import is_mindrecord, read_mindrecord, write_mindrecord
from acmix.data.samples import Samples, Split
from acmix.data.shapes import shapes
from acmix.errors import check

SOURCES: dict[str, Callable[[DataConfig, Split], Samples]] = {
    "digits": lambda config, split: digits(split),
    "image_folder": lambda config, split: (
        read_mindrecord(config.root, split)
        if is_mindrecord(config.root)
        else image_folder(config.root, split)
    ),
}
DETECTION_SOURCES: dict[str, Callable[[DataConfig, Split], DetectionSamples]] = {
    "shapes": lambda config, split: shapes(split),
    "coco": coco,
}


def create_dataset(
    config: DataConfig, split: str, *, seed: int, num_shards: int = 1, shard_id: int = 0
) -> ImageDataset | DetectionDataset:
    """Open one split of the configured data set, for the task that ``data.name`` is labelled for.

    Args:
        config: the section ``data``.
        split: ``"train"`` (shuffled, augmented) or ``"val"`` (in order, as it is).
        seed: of order and augmentation.
        num_shards: devices that share the split.
        shard_id: which of them this is.

    Raises:
        UserError: missing or malformed files, corrupt images, too few samples for one batch.
    """
    check(split in get_args(Split), f"split must be 'train' or 'val', got {split!r}.")
    check(
        0 <= shard_id < num_shards,
        f"shard_id must be in 0..num_shards - 1, got {shard_id=} of {num_shards=}.",
    )
    settings: dict[str, Any] = {
        "training": split == "train",
        "seed": seed,
        "num_shards": num_shards,
        "shard_id": shard_id,
    }
    if config.task == "detection":
        boxed, corrupt = drop_corrupt(_with_boxes(config, cast(Split, split)), config)
        return DetectionDataset(boxed, config, corrupt=corrupt, **settings)
    samples, corrupt = drop_corrupt(SOURCES[config.name](config, cast(Split, split)), config)
    return ImageDataset(samples, config, corrupt=corrupt, **settings)


def prepare_mindrecord(config: DataConfig, folder: str | Path) -> dict[Split, int]:
    """Write the images of an image folder as MindRecord; ``data.root=folder`` then reads them.

    Args:
        config: the section ``data``.
        folder: must not exist; it appears whole or not at all.

    Returns:
        The number of images of each split; ``val`` is left out where there is none.

    Raises:
        UserError: another kind of data set, see also :func:`acmix.data.mindrecord.write_mindrecord`
            and :func:`acmix.data.image_folder.image_folder`.
    """
    check(
        config.name == "image_folder" and not is_mindrecord(config.root),
        f"data.name={config.name}, data.root={config.root}: only the files of an image_folder can "
        "be put into MindRecord.",
    )
    root = Path(str(config.root)).expanduser()
    splits: dict[Split, Samples] = {"train": image_folder(config.root, "train")}
    if (root / "val").is_dir():
        splits["val"] = image_folder(config.root, "val")
    for split, samples in splits.items():
        names = tuple(str(Path(name).relative_to(root)) for name in samples.names)
        splits[split] = replace(samples, names=names)
    write_mindrecord(splits, Path(folder))
    return {split: len(samples) for split, samples in splits.items()}


def _with_boxes(config: DataConfig, split: Split) -> DetectionSamples:
    samples = DETECTION_SOURCES[config.name](config, split)
    return drop_empty(samples) if split == "train" and config.empty_images == "skip" else samples

"""`create_dataset`: from the section ``data`` to the batches of one split."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast, get_args

from acmix.config import DataConfig
from acmix.data.annotations import DetectionSamples, drop_empty
from acmix.data.coco import coco
from acmix.data.dataset import ImageDataset
from acmix.data.detection import DetectionDataset
from acmix.data.digits import digits
from acmix.data.integrity import drop_corrupt
from acmix.data.prepared import read_image_folder
from acmix.data.samples import Samples, Split
from acmix.data.shapes import shapes
from acmix.errors import check

SOURCES: dict[str, Callable[[DataConfig, Split], Samples]] = {
    "digits": lambda config, split: digits(split),
    "image_folder": lambda config, split: read_image_folder(config.root, split),
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


def _with_boxes(config: DataConfig, split: Split) -> DetectionSamples:
    samples = DETECTION_SOURCES[config.name](config, split)
    return drop_empty(samples) if split == "train" and config.empty_images == "skip" else samples

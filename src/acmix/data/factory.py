"""`create_dataset`: create the data set of one split from the section ``data``.

A new source is one module with a function ``(config, split) -> samples``, and one line in
:data:`SOURCES`. It reuses an existing data set class for its samples or adds a new one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast, get_args

from acmix.config import DataConfig, DetectionDataConfig
from acmix.data.annotations import DetectionSamples, drop_empty
from acmix.data.cifar import FORMS
from acmix.data.coco import coco
from acmix.data.dataset import ImageDataset
from acmix.data.detection import DetectionDataset
from acmix.data.digits import digits
from acmix.data.integrity import drop_corrupt
from acmix.data.label_copy import read_label_folders
from acmix.data.label_folders import LAYOUTS
from acmix.data.label_shapes import label_shapes
from acmix.data.mindrecord_copy import read_cifar, read_image_folder
from acmix.data.samples import Split
from acmix.data.segmentation import SegmentationDataset
from acmix.data.shapes import shapes
from acmix.data.sharded import ShardedDataset
from acmix.errors import check


@dataclass(frozen=True)
class Source:
    """Source of samples for one ``data.name``.

    Attributes:
        open: takes the section ``data`` and a split; returns samples, see
            :class:`acmix.data.integrity.Images`.
        dataset: data set class; takes the samples, the section and the arguments of
            :class:`ShardedDataset`.
    """

    open: Callable[[Any, Split], Any]
    dataset: Callable[..., ShardedDataset]


def _with_boxes(
    open_source: Callable[[Any, Split], DetectionSamples],
) -> Callable[[DetectionDataConfig, Split], DetectionSamples]:
    """Apply ``data.empty_images`` to a source of images with boxes."""

    def open_split(config: DetectionDataConfig, split: Split) -> DetectionSamples:
        samples = open_source(config, split)
        drops = split == "train" and config.empty_images == "skip"
        return drop_empty(samples) if drops else samples

    return open_split


def _shapes(config: DetectionDataConfig, split: Split) -> DetectionSamples:
    return shapes(split, masks=config.masks)


SOURCES: dict[str, Source] = {
    "digits": Source(lambda config, split: digits(split), ImageDataset),
    "image_folder": Source(
        lambda config, split: read_image_folder(config.root, split), ImageDataset
    ),
    **{name: Source(read_cifar, ImageDataset) for name in FORMS},
    "shapes": Source(_with_boxes(_shapes), DetectionDataset),
    "coco": Source(_with_boxes(coco), DetectionDataset),
    "label_shapes": Source(label_shapes, SegmentationDataset),
    **{name: Source(read_label_folders, SegmentationDataset) for name in LAYOUTS},
}
"""Sources by ``data.name``."""


def create_dataset(
    config: DataConfig, split: str, *, seed: int, num_shards: int = 1, shard_id: int = 0
) -> Any:
    """Create the data set of one split.

    Args:
        config: the section ``data`` of any task.
        split: ``"train"`` (shuffled, augmented) or ``"val"`` (in order, not augmented).
        seed: seed of order and augmentation.
        num_shards: number of devices that share the split.
        shard_id: index of this device.

    Returns:
        The data set of the source: an :class:`ImageDataset`, :class:`DetectionDataset` or
        :class:`SegmentationDataset`.

    Raises:
        UserError: missing or malformed files, corrupt images, too few samples for one batch.
    """
    check(split in get_args(Split), f"split must be 'train' or 'val', got {split!r}.")
    check(
        0 <= shard_id < num_shards,
        f"shard_id must be in 0..num_shards - 1, got {shard_id=} of {num_shards=}.",
    )
    source = SOURCES[config.name]
    checked = drop_corrupt(source.open(config, cast(Split, split)), config)
    return source.dataset(
        checked.samples,
        config,
        corrupt=checked.corrupt,
        content=checked.content,
        training=split == "train",
        seed=seed,
        num_shards=num_shards,
        shard_id=shard_id,
    )

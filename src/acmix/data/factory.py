"""`create_dataset`: from the section ``data`` to the batches of one split."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast, get_args

from acmix.config import DataConfig
from acmix.data.dataset import ImageDataset
from acmix.data.digits import digits
from acmix.data.image_folder import image_folder
from acmix.data.integrity import drop_corrupt
from acmix.data.samples import Samples, Split
from acmix.errors import check

SOURCES: dict[str, Callable[[DataConfig, Split], Samples]] = {
    "digits": lambda config, split: digits(split),
    "image_folder": lambda config, split: image_folder(config.root, split),
}


def create_dataset(
    config: DataConfig, split: str, *, seed: int, num_shards: int = 1, shard_id: int = 0
) -> ImageDataset:
    """Open one split of the configured data set.

    Args:
        config: the section ``data``.
        split: ``"train"`` (shuffled, augmented, incomplete batch dropped) or ``"val"`` (in order,
            last batch padded with label -1).
        seed: of order and augmentation.
        num_shards: devices that share the split.
        shard_id: which of them this is.

    Raises:
        UserError: missing or malformed folders, corrupt images, too few samples for one batch.
    """
    check(split in get_args(Split), f"split must be 'train' or 'val', got {split!r}.")
    check(
        0 <= shard_id < num_shards,
        f"shard_id must be in 0..num_shards - 1, got {shard_id=} of {num_shards=}.",
    )
    samples = SOURCES[config.name](config, cast(Split, split))
    samples, corrupt = drop_corrupt(samples, config)
    return ImageDataset(
        samples,
        config,
        training=split == "train",
        seed=seed,
        num_shards=num_shards,
        shard_id=shard_id,
        corrupt=corrupt,
    )

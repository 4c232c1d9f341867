"""The transforms of ``mindspore.dataset``, which are C++, on the files of a configuration."""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path

import mindspore.dataset as ds
import numpy as np
from mindspore.dataset import vision
from mindspore.dataset.vision import Inter

from acmix.config import ClassificationDataConfig, DataConfig
from acmix.errors import UserError

_FILTERS = {
    "nearest": Inter.NEAREST, "bilinear": Inter.BILINEAR, "bicubic": Inter.BICUBIC,
}  # fmt: skip


def comparable(data: DataConfig) -> ClassificationDataConfig:
    """Return the section ``data``.

    Raises:
        UserError: MindSpore has no counterpart of what is configured.
    """
    if (
        isinstance(data, ClassificationDataConfig)
        and data.name == "image_folder"
        and data.channels == 3
        and data.scale is not None
        and data.interpolation in _FILTERS
    ):
        return data
    raise UserError(
        "--compare takes an image_folder in colour with random resized crops (data.scale) and "
        f"data.interpolation={'|'.join(_FILTERS)}."
    )


def references(
    data: ClassificationDataConfig,
) -> dict[str, Callable[[], Generator[int, None, None]]]:
    """Return what can be compared with a configuration, by its name.

    MindSpore resizes as OpenCV does, without antialiasing; for bicubic filters also as Pillow and
    this package do.
    """
    filters = {"MindSpore's C++ transforms, 1 thread": _FILTERS[data.interpolation]}
    if data.interpolation == "bicubic":
        filters["MindSpore's C++ transforms, antialiased, 1 thread"] = Inter.PILCUBIC
    return {name: partial(_batches, data, each) for name, each in filters.items()}


def _batches(data: ClassificationDataConfig, resampling: Inter) -> Generator[int, None, None]:
    """Decode, crop, resize, flip and normalise in one thread; yield the images of each batch.

    There is nothing else of what is configured (RandAugment, erasing, mixing).
    """
    source = ds.ImageFolderDataset(
        str(Path(str(data.root)).expanduser() / "train"), num_parallel_workers=1, shuffle=True
    )
    transforms = [
        vision.RandomCropDecodeResize(data.image_size, data.scale, data.ratio, resampling),
        vision.RandomHorizontalFlip(data.hflip),
        vision.Normalize((255 * np.array(data.mean)).tolist(), (255 * np.array(data.std)).tolist()),
        vision.HWC2CHW(),
    ]
    images = source.repeat().map(transforms, "image", num_parallel_workers=1)
    batches = images.batch(data.batch_size, drop_remainder=True, num_parallel_workers=1)
    iterator = batches.create_tuple_iterator(num_epochs=1, output_numpy=True)
    try:
        for batch in iterator:
            yield len(batch[0])
    finally:
        iterator.stop()

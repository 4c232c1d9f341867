"""The transforms of ``mindspore.dataset``, which are C++, on the files of a configuration."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import mindspore.dataset as ds
import numpy as np
from mindspore.dataset import vision
from mindspore.dataset.vision import Inter

from acmix.config import ClassificationDataConfig, DataConfig
from acmix.errors import check

_FILTERS = {
    "nearest": Inter.NEAREST, "bilinear": Inter.BILINEAR, "bicubic": Inter.BICUBIC,
}  # fmt: skip


def check_comparable(data: DataConfig) -> None:
    """Raise UserError where MindSpore has no counterpart of what is configured."""
    check(
        isinstance(data, ClassificationDataConfig)
        and data.name == "image_folder"
        and data.channels == 3
        and data.scale is not None
        and data.interpolation in _FILTERS,
        "--compare takes an image_folder in colour with random resized crops (data.scale) and "
        f"data.interpolation={'|'.join(_FILTERS)}.",
    )


def reference_batches(data: ClassificationDataConfig) -> Generator[int, None, None]:
    """Decode, crop, resize, flip and normalise in one thread; yield the images of each batch.

    Resizing is that of OpenCV, without antialiasing; there is nothing else of what is configured
    (RandAugment, erasing, mixing).
    """
    source = ds.ImageFolderDataset(
        str(Path(str(data.root)).expanduser() / "train"), num_parallel_workers=1, shuffle=True
    )
    transforms = [
        vision.RandomCropDecodeResize(
            data.image_size, data.scale, data.ratio, _FILTERS[data.interpolation]
        ),
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

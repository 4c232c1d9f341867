"""`SegmentationDataset`: batches of images and of a label for each of their pixels."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import numpy as np
from PIL import Image

from acmix.config import SegmentationDataConfig
from acmix.config.segmentation import IGNORED_LABEL
from acmix.data.class_list import colour_map
from acmix.data.decode import decode, size_mismatch
from acmix.data.names import listed
from acmix.data.pipeline import PADDING, Batch, MakeBatch, reading
from acmix.data.segmentation_augment import SegmentationAugment
from acmix.data.segmentation_preprocess import SegmentationPreprocess
from acmix.data.segmentation_samples import SegmentationSamples
from acmix.data.sharded import ShardedDataset
from acmix.errors import check

_logger = logging.getLogger(__name__)


class SegmentationDataset(ShardedDataset):
    """Batches of one split for a segmenter.

    ``train``: ``(images float32 (B, C, S, S), labels int32 (B, S, S))`` with S = the crop's side;
    label 255 is ignored.
    ``val``: ``(images float32 (1, C, H, W), positions int32 (1,), sizes int32 (1, 2), mirrored
    int32 (1,))``, one view of one image in its own shape: the image's position in the split, -1
    for padding; its height and width in the network's input, beyond which there is padding
    (``data.pad_divisor``); and whether it is mirrored. The :attr:`views` of an image follow each
    other. Its labels, at the original size, are :meth:`ground_truth`.

    Args:
        samples: samples of the split.
        config: the section ``data``.
        **sharding: further arguments of :class:`ShardedDataset`.

    Attributes:
        classes: class names in the order of the labels.
        palette: (K, 3) uint8, red, green and blue of each class.
        preprocess: evaluation transform.
        views: factor on the image's size, and whether it is mirrored, of each view in ``val``.
    """

    train_columns = ("images", "labels")
    val_columns = ("images", "positions", "sizes", "mirrored")

    def __init__(
        self, samples: SegmentationSamples, config: SegmentationDataConfig, **sharding: Any
    ) -> None:
        check(len(samples) > 0, f"data.root={config.root}: the split has no images.")
        super().__init__(samples.names, config, keys=samples.keys, **sharding)
        self.classes = samples.classes.names
        self.palette = np.array(samples.classes.palette, np.uint8)
        self.preprocess = SegmentationPreprocess.from_config(config)
        self._samples = samples
        self._augment = SegmentationAugment(config)
        self._new_label = np.arange(256, dtype=np.uint8)
        sides = (False, True) if config.eval_flip else (False,)
        self.views = tuple((ratio, side) for ratio in config.eval_ratios for side in sides)
        self._batches = self._count_even() * (1 if self._training else len(self.views))
        if self._content is not None:
            self._check_present()

    def __len__(self) -> int:
        return self._batches

    def ground_truth(self, position: int) -> np.ndarray:
        """Return the labels of an image, read from its file: (H, W) uint8, 255 is ignored.

        Raises:
            UserError: the file cannot be read or is no label file; names it.
        """
        with reading(self._samples.label_names[position]):
            labels = self._samples.labels(position, self._max_pixels)
        return self._new_label[labels]

    def _parts(self) -> dict[str, Iterable[object]]:
        classes = self._samples.classes
        return super()._parts() | {
            "classes": self.classes,
            "labels": classes.table().tolist(),
            "preprocess": sorted(self.preprocess.to_dict().items()),
        }

    def label_notes(self) -> dict[str, Any]:
        """Return the colours of the classes."""
        return {"palette": self.palette.tolist()}

    def _relabel(self, labels: np.ndarray) -> None:
        present = labels >= 0
        table = np.full(256, IGNORED_LABEL, np.uint8)
        table[: len(labels)][present] = labels[present]
        palette = np.array(colour_map(len(self.classes)), np.uint8)
        palette[labels[present]] = self.palette[present]
        self._new_label, self.palette = table[self._new_label], palette

    def _check_present(self) -> None:
        """Refuse a split whose pixels are all ignored; log the classes that no pixel has."""
        present = self._samples.present_classes()
        check(
            bool(present),
            f"none of the {len(self._samples)} label files has a pixel of a class: all are ignored "
            f"({IGNORED_LABEL}), for example in {self._samples.label_names[0]}. Check "
            "data.class_file, data.reduce_zero_label and the label files.",
        )
        absent = [name for name in self.classes if name not in set(present)]
        if absent:
            split = "training" if self._training else "validation"
            _logger.info(
                "%d of %d classes have no pixel in the %s split: %s.",
                len(absent), len(self.classes), split, listed(absent),
            )  # fmt: skip

    def _plan(self, k: int) -> tuple[np.ndarray, MakeBatch]:
        indices = self._deal_evenly(k)
        if self._training:
            return indices, lambda row, _: self._training_batch(row, k)
        # Padding has the shape of an image that this shard has anyway: each is compiled once.
        stand_in = max(0, int(indices[0, 0]))
        return (
            np.repeat(indices, len(self.views), axis=0),
            lambda row, number: self._evaluation_batch(row, number % len(self.views), stand_in),
        )

    def _training_batch(self, repeats: np.ndarray, k: int) -> Batch:
        samples = []
        for repeat in repeats.tolist():
            pair = self._pair(self._sample_of(repeat))
            samples.append(self._augment(*pair, self._generator(k, repeat)))
        images, labels = zip(*samples, strict=True)
        return np.stack(images), np.stack(labels)

    def _evaluation_batch(self, indices: np.ndarray, view: int, stand_in: int) -> Batch:
        (index,) = indices.tolist()
        image, _ = self._image(stand_in if index == PADDING else index)
        ratio, mirrored = self.views[view]
        pixels, size = self.preprocess.transform(image, ratio=ratio, mirrored=mirrored)
        return pixels[None], indices.astype(np.int32), size[None], np.array([mirrored], np.int32)

    def _pair(self, index: int) -> tuple[Image.Image, np.ndarray]:
        image, encoded = self._image(index)
        labels = self.ground_truth(index)
        height, width = labels.shape
        mismatch = size_mismatch(encoded, image.size, (width, height), "labels")
        check(
            mismatch is None,
            f"image {self.names[index]} {mismatch} ({self._samples.label_names[index]}). Mend the "
            "pair, or start again with data.on_corrupt=skip, which leaves it out.",
        )
        return image, labels

    def _image(self, index: int) -> tuple[Image.Image, bytes]:
        """Return the decoded image and the content of its file."""
        with reading(self.names[index]):
            encoded = self._samples.read(index)
            return decode(encoded, self.preprocess.channels, self._max_pixels), encoded

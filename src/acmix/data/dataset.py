"""`ImageDataset`: batches of one split, determined by seed, epoch and shard alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from acmix.config import ClassificationDataConfig
from acmix.data.augment import Augment
from acmix.data.mixing import Mixing
from acmix.data.pipeline import PADDING, Batch, MakeBatch, reading
from acmix.data.preprocess import Preprocess
from acmix.data.samples import Samples
from acmix.data.sharded import ShardedDataset

# Distinguishes the seed of a batch from that of the sample with the same number.
_BATCH_STREAM = 1


class ImageDataset(ShardedDataset):
    """Batches ``(images float32 (B, C, S, S), labels int32 (B,))`` of equal shape.

    With ``data.mixup`` or ``data.cutmix``, training batches are mixed and have soft labels:
    float32 (B, K) for K classes.

    The ``train`` batches of all shards together equal the batches of a single shard with a
    ``num_shards`` times larger batch. ``val`` contains every sample exactly once over all shards.

    Args:
        samples: samples of the split.
        config: the section ``data``.
        **sharding: further arguments of :class:`ShardedDataset`.

    Attributes:
        classes: class names in the order of the labels.
        preprocess: evaluation transform.
    """

    train_columns = val_columns = ("images", "labels")

    def __init__(self, samples: Samples, config: ClassificationDataConfig, **sharding: Any) -> None:
        super().__init__(samples.names, config, keys=samples.keys, **sharding)
        self.classes = samples.classes
        self.preprocess = Preprocess.from_config(config)
        self._samples = samples
        self._labels = np.array(samples.labels, np.int32)
        self._augment = Augment(config)
        self._mixing = Mixing.from_config(config, len(samples.classes)) if self._training else None
        self._batches = self._count_even()

    def __len__(self) -> int:
        return self._batches

    def label(self, index: int) -> int:
        """Return the label of a sample; negative if it has none of :attr:`classes`."""
        return int(self._labels[index])

    def _parts(self) -> dict[str, Iterable[object]]:
        return super()._parts() | {
            "classes": self.classes,
            "labels": self._samples.labels,
            "preprocess": sorted(self.preprocess.to_dict().items()),
        }

    def _relabel(self, labels: np.ndarray) -> None:
        self._labels = labels[self._labels].astype(np.int32)

    def _plan(self, k: int) -> tuple[np.ndarray, MakeBatch]:
        return self._deal_evenly(k), lambda row, number: self._batch(row, k, number)

    def _batch(self, repeats: np.ndarray, k: int, number: int) -> Batch:
        """Load batch ``number`` and mix it with the same random draw on every shard."""
        size = self.preprocess.image_size
        images = np.empty((len(repeats), self.preprocess.channels, size, size), np.float32)
        labels = np.full(len(repeats), PADDING, np.int32)
        for position, repeat in enumerate(repeats.tolist()):
            if repeat == PADDING:
                images[position] = 0
            else:
                labels[position] = self._labels[self._sample_of(repeat)]
                self._read_image(repeat, k, images[position])
        if self._mixing is None:
            return images, labels
        rng = np.random.default_rng((self._seed, k, number, _BATCH_STREAM))
        return self._mixing(images, labels, rng)

    def _read_image(self, repeat: int, k: int, out: np.ndarray) -> None:
        """Write an image of a batch into ``out`` (C, S, S)."""
        index = self._sample_of(repeat)
        with reading(self._samples.names[index]):
            encoded = self._samples.read(index)
            if self._training:
                self._augment(encoded, self._generator(k, repeat), out)
            else:
                self.preprocess(encoded, self._max_pixels, out)

"""`ImageDataset`: the batches of one split, a function of seed, epoch and shard alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from acmix.config import ClassificationDataConfig
from acmix.data.augment import Augment
from acmix.data.mixing import Mixing
from acmix.data.pipeline import PADDING, Batch, reading, run_pipeline
from acmix.data.preprocess import Preprocess
from acmix.data.samples import Samples
from acmix.data.sharded import ShardedDataset
from acmix.errors import check

# Ends the seed of a batch, which would else be that of the sample with the same number.
_OF_BATCH = 1


class ImageDataset(ShardedDataset):
    """Batches ``(images float32 (B, C, S, S), labels int32 (B,))`` of equal shape.

    Where ``data.mixup`` or ``data.cutmix`` is on, training batches are mixed and their labels are
    soft: float32 (B, K), K being the number of classes.

    Over all shards, ``train`` batches taken together are the batches of one shard with a
    ``num_shards`` times larger batch; ``val`` holds every sample exactly once.

    Args:
        samples: of the split.
        config: the section ``data``.
        **share: what :class:`ShardedDataset` takes besides.

    Attributes:
        classes: class names in the order of the labels.
        preprocess: the evaluation transform.
    """

    def __init__(self, samples: Samples, config: ClassificationDataConfig, **share: Any) -> None:
        super().__init__(samples.names, config, **share)
        self.classes = samples.classes
        self.preprocess = Preprocess.from_config(config)
        self._samples = samples
        self._labels = np.append(samples.labels, PADDING).astype(np.int32)
        self._augment = Augment(config)
        self._mixing = Mixing.from_config(config, len(samples.classes)) if self._training else None
        self._workers = config.num_workers
        self._max_pixels = config.max_image_pixels

        self._batches = self._count_batches()
        check(
            self._batches > 0,
            f"data.batch_size={self.batch_size} on {self._num_shards} device(s) exceeds the "
            f"{len(samples)} training samples; lower data.batch_size.",
        )

    def __len__(self) -> int:
        return self._batches

    def epoch(self, k: int, skip_batches: int = 0) -> Iterator[Batch]:
        """Iterate over the batches of epoch ``k``.

        Args:
            k: epoch; it decides on order and augmentation of ``train`` and does not matter to
                ``val``.
            skip_batches: leave out so many batches at the beginning, at no cost.

        Raises:
            UserError: an image that cannot be decoded (``data.on_corrupt=unchecked``), named.
        """
        indices = self._order(k)[skip_batches * self.batch_size :]
        return run_pipeline(
            indices.reshape(-1, self.batch_size),
            skip_batches,
            lambda rows, number: self._batch(rows, k, number),
            ("images", "labels"),
            self._workers,
        )

    def _count_batches(self) -> int:
        if self._training:
            return self.num_samples // self._num_shards // self.batch_size
        return -(-self.num_samples // (self._num_shards * self.batch_size))

    def _order(self, k: int) -> np.ndarray:
        """Return the sample index of every row of epoch ``k`` on this shard, padding included."""
        indices = np.arange(self.num_samples)
        if self._training:
            indices = np.random.default_rng((self._seed, k)).permutation(indices)
        indices = indices[self._shard][: len(self) * self.batch_size]
        missing = len(self) * self.batch_size - len(indices)
        return np.pad(indices, (0, missing), constant_values=PADDING)

    def _batch(self, indices: np.ndarray, k: int, number: int) -> Batch:
        """Load batch ``number`` and mix it, by the same draw on every shard."""
        images = np.stack([self._image(int(index), k) for index in indices])
        labels = self._labels[indices]
        if self._mixing is None:
            return images, labels
        rng = np.random.default_rng((self._seed, k, number, _OF_BATCH))
        return self._mixing(images, labels, rng)

    def _image(self, index: int, k: int) -> np.ndarray:
        if index == PADDING:
            size = self.preprocess.image_size
            return np.zeros((self.preprocess.channels, size, size), np.float32)
        with reading(self._samples.names[index]):
            encoded = self._samples.read(index)
            if not self._training:
                return self.preprocess(encoded, self._max_pixels)
            return self._augment(encoded, np.random.default_rng((self._seed, k, index)))

"""`ImageDataset`: the batches of one split, a function of seed, epoch and shard alone."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any, cast, get_args

import mindspore.dataset as ds
import numpy as np

from acmix.config import DataConfig
from acmix.data.augment import Augment
from acmix.data.decode import DecodeError
from acmix.data.digits import digits
from acmix.data.image_folder import image_folder
from acmix.data.integrity import drop_corrupt
from acmix.data.mixing import Mixing
from acmix.data.preprocess import Preprocess
from acmix.data.samples import Samples, Split
from acmix.errors import UserError, check

SOURCES: dict[str, Callable[[DataConfig, Split], Samples]] = {
    "digits": lambda config, split: digits(split),
    "image_folder": lambda config, split: image_folder(config.root, split),
}
PADDING = -1
"""Index and label of the samples that fill up the last batch of ``val``."""

# Batches waiting in each queue; MindSpore's 16 are gigabytes at ImageNet's size.
_PREFETCH = 2

# Ends the seed of a batch, which would else be that of the sample with the same number.
_OF_BATCH = 1


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


class ImageDataset:
    """Batches ``(images float32 (B, C, S, S), labels int32 (B,))`` of equal shape.

    Where ``data.mixup`` or ``data.cutmix`` is on, training batches are mixed and their labels are
    soft: float32 (B, K), K being the number of classes.

    ``epoch(k)`` gives the same batches whenever and wherever it is asked for: order and
    augmentation derive from seed, epoch and sample, not from what was read before, the number of
    worker threads or the machine. Over all shards, ``train`` batches taken together are the
    batches of one shard with a ``num_shards`` times larger batch; ``val`` holds every sample
    exactly once.

    Attributes:
        classes: class names in the order of the labels.
        num_samples: samples of the split, over all shards.
        batch_size: samples of a batch on this shard.
        preprocess: the evaluation transform.
        corrupt: names of the images left out because they cannot be decoded.
    """

    def __init__(
        self,
        samples: Samples,
        config: DataConfig,
        *,
        training: bool,
        seed: int,
        num_shards: int = 1,
        shard_id: int = 0,
        corrupt: tuple[str, ...] = (),
    ) -> None:
        self.classes = samples.classes
        self.num_samples = len(samples)
        self.corrupt = corrupt
        self.preprocess = Preprocess.from_config(config)
        evaluation_size = config.eval_batch_size or config.batch_size
        self.batch_size = config.batch_size if training else evaluation_size
        self._samples = samples
        self._augment = Augment(config)
        self._mixing = Mixing.from_config(config, len(samples.classes)) if training else None
        self._training = training
        self._seed = seed
        self._shard = slice(shard_id, None, num_shards)
        # MindSpore refuses more threads than the machine has cores.
        self._workers = min(config.num_workers, os.cpu_count() or 1)
        self._max_pixels = config.max_image_pixels

        self._batches = self._count_batches(num_shards)
        check(
            self._batches > 0,
            f"data.batch_size={self.batch_size} on {num_shards} device(s) exceeds the "
            f"{len(samples)} training samples; lower data.batch_size.",
        )

    def __len__(self) -> int:
        return self._batches

    def epoch(self, k: int, skip_batches: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Iterate over the batches of epoch ``k``.

        Args:
            k: epoch; it decides on order and augmentation of ``train`` and does not matter to
                ``val``.
            skip_batches: leave out so many batches at the beginning, at no cost.

        Raises:
            UserError: an image that cannot be decoded (``data.on_corrupt=unchecked``), named.
        """
        indices = self._order(k)[skip_batches * self.batch_size :]
        if not len(indices):
            return
        loader = _Loader(
            self._samples,
            lambda index: self._image(index, k),
            lambda images, labels, number: self._mixed(images, labels, k, number),
        )
        batches = self._pipeline(indices.reshape(-1, self.batch_size), skip_batches, loader)
        try:
            yield from batches
        except RuntimeError as error:
            raise loader.failure or error from None
        finally:
            batches.stop()

    def _count_batches(self, num_shards: int) -> int:
        if self._training:
            return self.num_samples // num_shards // self.batch_size
        return -(-self.num_samples // (num_shards * self.batch_size))

    def _order(self, k: int) -> np.ndarray:
        """Return the sample index of every row of epoch ``k`` on this shard, padding included."""
        indices = np.arange(self.num_samples)
        if self._training:
            indices = np.random.default_rng((self._seed, k)).permutation(indices)
        indices = indices[self._shard][: len(self) * self.batch_size]
        missing = len(self) * self.batch_size - len(indices)
        return np.pad(indices, (0, missing), constant_values=PADDING)

    def _image(self, index: int, k: int) -> np.ndarray:
        if index == PADDING:
            size = self.preprocess.image_size
            return np.zeros((self.preprocess.channels, size, size), np.float32)
        encoded = self._samples.read(index)
        if not self._training:
            return self.preprocess(encoded, self._max_pixels)
        return self._augment(encoded, np.random.default_rng((self._seed, k, index)))

    def _mixed(
        self, images: np.ndarray, labels: np.ndarray, k: int, number: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mix batch ``number``, by the same draw on every shard."""
        if self._mixing is None:
            return images, labels
        rng = np.random.default_rng((self._seed, k, number, _OF_BATCH))
        return self._mixing(images, labels, rng)

    def _pipeline(self, indices: np.ndarray, first: int, loader: _Loader) -> Any:
        """Start threads that load the batches, rows of ``indices``, ahead of their use."""
        labels = np.append(self._samples.labels, PADDING).astype(np.int32)
        pipeline = ds.GeneratorDataset(
            _Rows(indices, labels, first),
            ["images", "labels", "number"],
            shuffle=False,
            num_parallel_workers=1,
            python_multiprocessing=False,
        )
        pipeline = pipeline.map(
            loader,
            ["images", "labels", "number"],
            ["images", "labels"],
            num_parallel_workers=self._workers,
            python_multiprocessing=False,
        )
        prefetch = ds.config.get_prefetch_size()
        ds.config.set_prefetch_size(_PREFETCH)
        try:
            return pipeline.create_tuple_iterator(num_epochs=1, output_numpy=True)
        finally:
            ds.config.set_prefetch_size(prefetch)


class _Rows:
    """Source of the pipeline: one row is one batch: its sample indices, labels and number.

    A row per sample would cost more than decoding a small image. A class at module level, because
    MindSpore prints whatever a local one closes over: seconds per epoch for a list of images.
    """

    def __init__(self, indices: np.ndarray, labels: np.ndarray, first: int) -> None:
        self.indices = indices
        self.labels = labels
        self.first = first

    def __getitem__(self, row: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.indices[row], self.labels[self.indices[row]], np.array(self.first + row)

    def __len__(self) -> int:
        return len(self.indices)


class _Loader:
    """Maps indices to images and remembers the failure that MindSpore would bury in a trace."""

    def __init__(
        self,
        samples: Samples,
        load: Callable[[int], np.ndarray],
        finish: Callable[[np.ndarray, np.ndarray, int], tuple[np.ndarray, np.ndarray]],
    ) -> None:
        self.samples = samples
        self.load = load
        self.finish = finish
        self.failure: UserError | None = None

    def __call__(
        self, indices: np.ndarray, labels: np.ndarray, number: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        images = np.stack([self._load(int(index)) for index in indices])
        return self.finish(images, labels, int(number))

    def _load(self, index: int) -> np.ndarray:
        try:
            return self.load(index)
        except (DecodeError, OSError) as error:
            self.failure = UserError(
                f"cannot read image {self.samples.names[index]}: {error}. Repair or remove it, or "
                "set data.on_corrupt=skip."
            )
            raise self.failure from error

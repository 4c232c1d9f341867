"""`ShardedDataset`: base class of the data sets of all tasks."""

from __future__ import annotations

import copy
import logging
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np

from acmix.config import DataConfig
from acmix.data.digest import digest_of
from acmix.data.pipeline import PADDING, Batch, MakeBatch, reading, run_pipeline
from acmix.data.shared_batches import is_supported
from acmix.data.worker_pool import CannotSend, WorkerPool
from acmix.errors import check

D = TypeVar("D", bound="ShardedDataset")

MANY_WORKERS = 4
"""Workers from which they are processes by default: as many threads wait for Python's lock."""

_logger = logging.getLogger(__name__)


class ShardedDataset(ABC):
    """One shard of the batches of a split.

    ``epoch(k)`` is deterministic: order and augmentation derive from seed, epoch and repeat. They
    do not depend on samples read before, on the number or kind of workers, or on the machine.

    A repeat is a sample with one of its ``data.repeated_augmentation`` augmentations in an epoch.
    Of n samples, the first repeat of sample i has the number i, the next i + n, then i + 2 n.

    Args:
        names: names of the samples of the split, over all shards.
        config: the section ``data``.
        training: whether the split is used for training.
        seed: seed of order and augmentation.
        num_shards: number of devices that share the split.
        shard_id: index of this device.
        corrupt: names of the images left out because they cannot be decoded.
        keys: names of the samples that are the same on every machine; None takes ``names``.
        content: digest of the content of the files; None if they were not read.

    Attributes:
        classes: class names in the order of the labels.
        names, corrupt: as given.
        num_samples: samples of the split, over all shards.
        batch_size: samples per batch on this shard.
        train_columns, val_columns: names of the arrays of a batch.
    """

    classes: tuple[str, ...]
    train_columns: tuple[str, ...]
    val_columns: tuple[str, ...]
    _samples: Any

    def __init__(
        self,
        names: Sequence[str],
        config: DataConfig,
        *,
        training: bool,
        seed: int,
        num_shards: int = 1,
        shard_id: int = 0,
        corrupt: tuple[str, ...] = (),
        keys: Sequence[str] | None = None,
        content: str | None = None,
    ) -> None:
        self.names = names
        self.num_samples = len(names)
        self.corrupt = corrupt
        self._keys = names if keys is None else keys
        self._content = content
        evaluation_size = config.eval_batch_size or config.batch_size
        self.batch_size = config.batch_size if training else evaluation_size
        self._training = training
        self._seed = seed
        self._num_shards = num_shards
        self._shard = slice(shard_id, None, num_shards)
        self._num_workers = config.num_workers
        self._workers_are = config.workers_are
        self._pool: WorkerPool | None = None
        self._max_pixels = config.max_image_pixels
        self._repeats = config.repeated_augmentation if training else 1

    def digest(self) -> dict[str, str]:
        """Return what the data is: the SHA-256 (hexadecimal) of each of its parts, by name.

        Equal in all processes, on all machines and for a MindRecord copy: it holds no absolute
        path and no time. Independent of seed, shards and batch size. Two data sets hold the same
        if every part that both have is equal; the names of the others say what differs:

        ========== ==============================================================================
        part       what it covers
        ========== ==============================================================================
        images     names of the images, relative to ``data.root``, in the order of the samples
        content    CRC of each file; missing under ``data.on_corrupt=unchecked``, which reads none
        classes    names of the classes in the order of the labels; for detection also their ids
        labels     label of each image; for detection its id, size, boxes and their labels
        preprocess evaluation transform: image size, crop, channels, mean, deviation, filter
        ========== ==============================================================================
        """
        parts = {name: digest_of(values) for name, values in self._parts().items()}
        return parts if self._content is None else parts | {"content": self._content}

    def _parts(self) -> dict[str, Iterable[object]]:
        """Return the parts of :meth:`digest` before hashing, as values that JSON can hold."""
        return {"images": self._keys}

    def relabelled(self: D, classes: Sequence[str], labels: Sequence[int]) -> D:
        """Return the data set with other labels, for evaluation.

        Args:
            classes: names of all classes, in the order of the new labels.
            labels: new label of each present class; -1: its samples do not count.
        """
        other = copy.copy(self)
        other.classes = tuple(classes)
        other._relabel(np.asarray(labels))
        return other

    def encoded(self, index: int) -> bytes:
        """Return the content of the image file of a sample.

        Raises:
            UserError: the file cannot be read.
        """
        with reading(self.names[index]):
            content: bytes = self._samples.read(index)
        return content

    def label_notes(self) -> dict[str, Any]:
        """Return what a checkpoint says about the labels beside their names, as JSON can hold."""
        return {}

    def _relabel(self, labels: np.ndarray) -> None:
        """Replace label k by ``labels[k]``; ``classes`` are the new ones already.

        Default: for data whose targets are not labels, and which therefore keeps its own.
        """
        check(
            np.array_equal(labels, np.arange(len(self.classes))),
            "the classes of the checkpoint are not those of the data, whose targets cannot be "
            "matched by name; evaluate it on data with the same classes.",
        )

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of batches of an epoch."""

    def epoch(self, k: int, skip_batches: int = 0) -> Iterator[Batch]:
        """Iterate over the batches of epoch ``k``.

        Args:
            k: epoch; determines order and augmentation of ``train``, and has no effect on ``val``.
            skip_batches: number of batches to skip at the beginning, at no cost.

        Raises:
            UserError: an image cannot be decoded (``data.on_corrupt=unchecked``) or contradicts
                its annotations; names the image.
        """
        indices, make_batch = self._plan(k)
        indices = indices[skip_batches:]
        self.start_workers()
        if self._pool is not None:
            return self._from_processes(self._pool, k, indices, skip_batches)
        columns = self.train_columns if self._training else self.val_columns
        return run_pipeline(indices, skip_batches, make_batch, columns, self._num_workers)

    def _from_processes(
        self, pool: WorkerPool, k: int, indices: np.ndarray, first: int
    ) -> Iterator[Batch]:
        # Holds this object, with whose end the processes end.
        yield from pool.batches(k, indices, first)

    def start_workers(self) -> None:
        """Start the worker processes, if there are to be some; returns before they are ready.

        They stay for all epochs and end with this object. :meth:`epoch` starts them if need be.

        Raises:
            UserError: ``data.workers_are=processes`` is not possible.
        """
        if self._pool is not None or self.kind_of_workers == "threads":
            return
        try:
            self._pool = WorkerPool(self, max(1, min(self._num_workers, len(self))))
        except CannotSend as error:
            check(
                self._workers_are is None,
                f"data.workers_are=processes: the data set cannot be sent to them ({error}). Set "
                "data.workers_are=threads.",
            )
            _logger.info("Images are read by threads: %s.", error)
            self._workers_are = "threads"
        else:
            weakref.finalize(self, self._pool.close)

    @property
    def kind_of_workers(self) -> str:
        """``threads`` or ``processes``, as ``data.workers_are`` says or leaves to the rule."""
        if self._workers_are is None:
            many = self._num_workers >= MANY_WORKERS and is_supported()
            return "processes" if many else "threads"
        check(
            self._workers_are == "threads" or is_supported(),
            "data.workers_are=processes needs Linux; set data.workers_are=threads.",
        )
        return self._workers_are

    @property
    def worker_processes(self) -> list[int]:
        """Process numbers of the workers; empty if they are threads, or not started."""
        return [] if self._pool is None else self._pool.processes()

    def batch_maker(self, k: int) -> MakeBatch:
        """Return the function that makes the batches of epoch ``k``; worker processes call it."""
        return self._plan(k)[1]

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the workers: a copy, here or in another process, has its own."""
        return vars(self) | {"_pool": None}

    @abstractmethod
    def _plan(self, k: int) -> tuple[np.ndarray, MakeBatch]:
        """Return repeats (batches, B) of epoch ``k`` on this shard, and the batch loader."""

    def _count_even(self) -> int:
        """Return the number of batches of :meth:`_deal_evenly`.

        Raises:
            UserError: the training samples are too few for one batch.
        """
        if not self._training:
            return -(-self.num_samples // (self._num_shards * self.batch_size))
        batches = self.num_samples // self._num_shards // self.batch_size
        check(
            batches > 0,
            f"data.batch_size={self.batch_size} on {self._num_shards} device(s) exceeds the "
            f"{self.num_samples} training samples; lower data.batch_size.",
        )
        check(
            self._repeats <= self.num_samples,
            f"data.repeated_augmentation={self._repeats} exceeds the {self.num_samples} "
            "training samples; lower data.repeated_augmentation.",
        )
        return batches

    def _deal_evenly(self, k: int) -> np.ndarray:
        """Return repeats (batches, B) of epoch ``k`` on this shard, whatever their shapes.

        The ``train`` batches of all shards together are those of a single shard with a
        ``num_shards`` times larger batch. ``val`` has every sample exactly once over all shards,
        and padding at the end.
        """
        repeats = self._shuffled(k) if self._training else np.arange(self.num_samples)
        count = self._count_even() * self.batch_size
        repeats = repeats[self._shard][:count]
        padded = np.pad(repeats, (0, count - len(repeats)), constant_values=PADDING)
        return padded.reshape(-1, self.batch_size)

    def _shuffled(self, k: int) -> np.ndarray:
        """Return the repeats (samples,) of a training epoch, for all shards.

        Those of a sample follow each other, so shards, which take turns, get different ones. The
        epoch ends when it has as many repeats as there are samples, hence with a share of the
        samples only (Berman et al., 2019, arXiv:1902.05509, in the form that DeiT gave it).
        """
        order = np.random.default_rng((self._seed, k)).permutation(self.num_samples)
        used = order[: -(-self.num_samples // self._repeats)]
        repeats = used[:, None] + self.num_samples * np.arange(self._repeats)
        return repeats.reshape(-1)[: self.num_samples]

    def _sample_of(self, repeat: int) -> int:
        """Return the index of the sample of a repeat."""
        return repeat % self.num_samples

    def _generator(self, k: int, repeat: int) -> np.random.Generator:
        """Return the generator of the augmentation of a repeat in epoch ``k``."""
        return np.random.default_rng((self._seed, k, repeat))

"""Worker threads that make batches ahead of their use, in order, for every kind of data set."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import mindspore.dataset as ds
import numpy as np

from acmix.data.decode import DecodeError
from acmix.errors import UserError

PADDING = -1
"""Index and label of what fills up a batch."""

Batch = tuple[np.ndarray, ...]
MakeBatch = Callable[[np.ndarray, int], Batch]
"""Makes a batch from its sample indices and its number in the epoch."""

# Batches waiting in each queue; MindSpore's 16 are gigabytes at ImageNet's size.
_PREFETCH = 2


def run_pipeline(
    indices: np.ndarray, first: int, make: MakeBatch, columns: Sequence[str], workers: int
) -> Iterator[Batch]:
    """Yield ``make(indices[i], first + i)`` for every row ``i`` of ``indices``, in order.

    Args:
        indices: (batches, B) sample indices.
        first: number of the first batch.
        make: called in worker threads; batches may differ in shape.
        columns: names of the arrays that ``make`` returns.
        workers: threads; their number does not change the batches.

    Raises:
        UserError: the one that ``make`` raised.
    """
    if not len(indices):
        return
    loader = _Loader(make)
    batches = _start(_Rows(indices, first), loader, list(columns), workers)
    try:
        yield from batches
    except RuntimeError as error:
        raise loader.failure or error from None
    finally:
        batches.stop()


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn what goes wrong with the image ``name`` into a UserError that names it."""
    try:
        yield
    except (DecodeError, OSError) as error:
        raise UserError(
            f"cannot read image {name}: {error}. Repair or remove it, or start again with "
            "data.on_corrupt=skip, which finds what is corrupt by then."
        ) from error


def _start(rows: _Rows, loader: _Loader, columns: list[str], workers: int) -> Any:
    pipeline = ds.GeneratorDataset(
        rows,
        ["indices", "number"],
        shuffle=False,
        num_parallel_workers=1,
        python_multiprocessing=False,
    )
    pipeline = pipeline.map(
        loader,
        ["indices", "number"],
        columns,
        # MindSpore refuses more threads than the machine has cores.
        num_parallel_workers=min(workers, os.cpu_count() or 1),
        python_multiprocessing=False,
    )
    prefetch = ds.config.get_prefetch_size()
    ds.config.set_prefetch_size(_PREFETCH)
    try:
        return pipeline.create_tuple_iterator(num_epochs=1, output_numpy=True)
    finally:
        ds.config.set_prefetch_size(prefetch)


class _Rows:
    """Source of the pipeline: one row is one batch: its sample indices and number.

    A row per sample would cost more than decoding a small image. A class at module level, because
    MindSpore prints whatever a local one closes over: seconds per epoch for a list of images.
    """

    def __init__(self, indices: np.ndarray, first: int) -> None:
        self.indices = indices
        self.first = first

    def __getitem__(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        return self.indices[row], np.array(self.first + row)

    def __len__(self) -> int:
        return len(self.indices)


class _Loader:
    """Makes the batches and remembers the failure that MindSpore would bury in a trace."""

    def __init__(self, make: MakeBatch) -> None:
        self.make = make
        self.failure: UserError | None = None

    def __call__(self, indices: np.ndarray, number: np.ndarray) -> Batch:
        try:
            return self.make(indices, int(number))
        except UserError as error:
            self.failure = error
            raise

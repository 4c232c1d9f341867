"""Worker threads that prefetch batches in order, for every data set."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from acmix.data.decode import DecodeError
from acmix.errors import UserError

PADDING = -1
"""Index and label of padding in a batch."""

Batch = tuple[np.ndarray, ...]
MakeBatch = Callable[[np.ndarray, int], Batch]
"""Function from the samples of a batch (indices or repeats) and its number to the batch."""

# Batches per queue; MindSpore's default of 16 takes gigabytes at ImageNet's image size.
_PREFETCH = 2


def run_pipeline(
    indices: np.ndarray, first: int, make: MakeBatch, columns: Sequence[str], workers: int
) -> Iterator[Batch]:
    """Yield ``make(indices[i], first + i)`` for every row ``i`` of ``indices``, in order.

    Args:
        indices: samples (batches, B), as ``make`` takes them.
        first: number of the first batch.
        make: called in worker threads; batches may differ in shape.
        columns: names of the arrays that ``make`` returns.
        workers: number of threads; it does not change the batches.

    Raises:
        UserError: raised by ``make``.
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
    """Convert errors on reading the image ``name`` to a UserError that names it."""
    try:
        yield
    except (DecodeError, OSError) as error:
        raise UserError(
            f"cannot read image {name}: {error}. Repair or remove it, or start again with "
            "data.on_corrupt=skip, which finds what is corrupt by then."
        ) from error


def _start(rows: _Rows, loader: _Loader, columns: list[str], workers: int) -> Any:
    import mindspore.dataset as ds  # on use: worker processes need no MindSpore

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
        # MindSpore rejects more threads than the machine has cores.
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
    """Source of the pipeline: a row holds the samples and the number of one batch.

    One row per sample would cost more than decoding a small image. The class is not local to a
    function, because MindSpore prints the closure of a local class: seconds per epoch for a list of
    images.
    """

    def __init__(self, indices: np.ndarray, first: int) -> None:
        self.indices = indices
        self.first = first

    def __getitem__(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        return self.indices[row], np.array(self.first + row)

    def __len__(self) -> int:
        return len(self.indices)


class _Loader:
    """Makes the batches and keeps the original error, which MindSpore would hide in a trace."""

    def __init__(self, make: MakeBatch) -> None:
        self.make = make
        self.failure: UserError | None = None

    def __call__(self, indices: np.ndarray, number: np.ndarray) -> Batch:
        try:
            return self.make(indices, int(number))
        except UserError as error:
            self.failure = error
            raise

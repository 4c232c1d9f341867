"""Compute images in batches of one shape; predictions keep the order of the images."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from acmix.environment import usable_cores
from acmix.errors import UserError
from acmix.export.outputs import Outputs
from acmix.tasks.prediction import Prediction, Reader

_AHEAD = 2
"""Batches of images in memory, among which those of one shape are found; and as many that are read
ahead."""
_THREADS = 4
"""Threads that decode; more are no faster, as Python's part of the work takes turns."""


@dataclass(frozen=True)
class Unreadable:
    """Takes the place of a :class:`acmix.tasks.prediction.Prediction` for an image without one."""

    columns: ClassVar[tuple[str, ...]] = ()

    image: str
    error: str

    def above(self, score: float) -> Unreadable:
        """Return itself."""
        return self

    def lines(self) -> list[str]:
        """Return the reason."""
        return [self.error]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {"image": self.image, "error": self.error}

    def rows(self) -> list[tuple[Any, ...]]:
        """Return nothing."""
        return []

    def picture(self, image: Image.Image | None = None) -> Image.Image:
        """Raise UserError, with the reason."""
        raise UserError(self.error)

    def draw(self, path: str | Path) -> None:
        """Draw nothing."""


@dataclass
class _Waiting:
    """An image whose prediction is not handed on yet."""

    image: str
    tensor: np.ndarray | None = None
    context: Any = None
    prediction: Prediction | None = None

    @property
    def shape(self) -> tuple[int, ...] | None:
        return None if self.tensor is None else self.tensor.shape


def predict_batches(
    run: Callable[[np.ndarray], Outputs], reader: Reader, images: Iterable[str], batch_size: int
) -> Iterator[Prediction]:
    """Yield the predictions of images, in their order.

    Every call of the network gets ``batch_size`` different images of one shape. Where there are
    fewer, the last is repeated: a network is compiled, or was exported, for one number of images.
    Threads decode the images of the next batches while the network computes. At most four batches
    are in memory. Reading begins when the first prediction is asked for.

    Args:
        run: the network, from images (B, C, H, W) to outputs with a batch axis.
        reader: reads images, and interprets outputs.
        images: paths.
        batch_size: B.

    Yields:
        A prediction, or :class:`Unreadable`.

    Raises:
        UserError: the outputs cannot be interpreted, such as NaN.
    """
    waiting: deque[_Waiting] = deque()

    def compute(shape: tuple[int, ...] | None) -> None:
        chosen = [one for one in waiting if one.tensor is not None and one.shape == shape]
        _compute(run, reader, chosen[:batch_size], batch_size)

    def ready() -> Iterator[Prediction]:
        while waiting and waiting[0].prediction is not None:
            yield waiting.popleft().prediction  # type: ignore[misc]

    for read in _read_ahead(reader, images, _AHEAD * batch_size):
        waiting.append(read)
        if sum(one.tensor is not None and one.shape == read.shape for one in waiting) == batch_size:
            compute(read.shape)
        yield from ready()
        if len(waiting) >= _AHEAD * batch_size:
            compute(waiting[0].shape)
            yield from ready()
    while waiting:
        compute(waiting[0].shape)
        yield from ready()


def of_image(outputs: Outputs, index: int) -> Outputs:
    """Return the outputs for one image of a batch."""
    if isinstance(outputs, tuple):
        return tuple(output[index] for output in outputs)
    return np.asarray(outputs[index])


def _read_ahead(reader: Reader, images: Iterable[str], ahead: int) -> Iterator[_Waiting]:
    """Yield images in their order; threads have read up to ``ahead`` further ones."""
    with ThreadPoolExecutor(min(_THREADS, usable_cores()), "read") as pool:
        pending: deque[Future[_Waiting]] = deque()
        try:
            for image in images:
                pending.append(pool.submit(_read, reader, image))
                if len(pending) > ahead:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:  # the caller may have seen enough
            for future in pending:
                future.cancel()


def _read(reader: Reader, image: str) -> _Waiting:
    try:
        return _Waiting(image, *reader.read(image))
    except UserError as error:
        return _Waiting(image, prediction=Unreadable(image, str(error)))


def _compute(
    run: Callable[[np.ndarray], Outputs],
    reader: Reader,
    chosen: Sequence[_Waiting],
    batch_size: int,
) -> None:
    """Predict images of one shape, and let go of their pixels."""
    tensors = [one.tensor for one in chosen if one.tensor is not None]
    filled = tensors + [tensors[-1]] * (batch_size - len(tensors))
    outputs = run(np.stack(filled))
    for index, one in enumerate(chosen):
        one.prediction = reader.interpret(one.image, of_image(outputs, index), one.context)
        one.tensor = one.context = None

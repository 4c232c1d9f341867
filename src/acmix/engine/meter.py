"""Means over the steps between two log lines."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import numpy as np

from acmix.engine.train_step import StepResult


class NonfiniteStep(NamedTuple):
    """A step whose loss was not finite."""

    step: int
    rate: float
    loss: float


class Meter:
    """Keeps the results of steps on the device and reads them all at once in :meth:`flush`.

    Args:
        loss_names: names of the losses in the results.
        devices: number of devices that train together, each on equally many images.

    Attributes:
        consecutive_skips: number of steps skipped in a row, up to the last one.
        nonfinite: the first step between the last two flushes whose loss was not finite, or None.
    """

    def __init__(self, loss_names: tuple[str, ...], devices: int = 1):
        self.loss_names = loss_names
        self.devices = devices
        self.consecutive_skips = 0
        self.nonfinite: NonfiniteStep | None = None
        self._reset()

    def start(self) -> None:
        """Start the clock; evaluation and saving before it do not count as training."""
        self._start = time.perf_counter()

    def add(self, step: int, rate: float, result: StepResult, images: int) -> None:
        """Add a step that took ``images`` images on this device at a learning rate."""
        self._results.append((step, rate, result))
        self._images += images * self.devices

    def flush(self) -> dict[str, Any]:
        """Return the means since the last call, and reset.

        Returns:
            Losses by their names, over the steps where they were finite (NaN if there is none);
            ``grad_norm`` over the steps that updated the parameters; ``skipped``, the number of
            others; ``images_per_second`` of all devices; ``seconds`` of wall time.
        """
        results = [result for _, _, result in self._results]
        losses = np.array([[float(loss) for loss in result.losses] for result in results])
        norms = np.array([float(result.grad_norm) for result in results])
        taken = np.array([bool(result.finite) for result in results])
        for is_taken in taken:
            self.consecutive_skips = 0 if is_taken else self.consecutive_skips + 1
        finite = np.isfinite(losses[:, 0])
        self.nonfinite = None
        if not finite.all():
            first = int(np.argmin(finite))
            step, rate, _ = self._results[first]
            self.nonfinite = NonfiniteStep(step, rate, float(losses[first, 0]))
        means = losses[finite].mean(axis=0) if finite.any() else losses[0]
        seconds = time.perf_counter() - self._start
        record = {
            **dict(zip(self.loss_names, means.tolist(), strict=True)),
            "grad_norm": float(norms[taken].mean()) if taken.any() else None,
            "skipped": int((~taken).sum()),
            "images_per_second": self._images / seconds,
            "seconds": seconds,
        }
        self._reset()
        return record

    def _reset(self) -> None:
        self._results: list[tuple[int, float, StepResult]] = []
        self._images = 0
        self.start()

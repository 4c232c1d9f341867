"""Averages over the steps between two log lines."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from acmix.engine.train_step import StepResult


class Meter:
    """Keeps the results of steps on the device and reads them all at once in :meth:`flush`."""

    def __init__(self, loss_names: tuple[str, ...]):
        self.loss_names = loss_names
        self.consecutive_skips = 0
        self._reset()

    def start(self) -> None:
        """Start the clock, so that what was done in between is not counted as training."""
        self._start = time.perf_counter()

    def add(self, result: StepResult, images: int) -> None:
        """Add a step that consumed ``images`` images."""
        self._results.append(result)
        self._images += images

    def flush(self) -> dict[str, Any]:
        """Return the means since the last call, and start anew.

        Losses by their names; ``grad_norm`` over the steps with a finite gradient; ``skipped``,
        the steps without; ``images_per_second`` and ``seconds`` of wall time.
        """
        losses = np.array([[float(loss) for loss in result.losses] for result in self._results])
        norms = np.array([float(result.grad_norm) for result in self._results])
        finite = np.array([bool(result.finite) for result in self._results])
        for is_finite in finite:
            self.consecutive_skips = 0 if is_finite else self.consecutive_skips + 1
        seconds = time.perf_counter() - self._start
        record = {
            **dict(zip(self.loss_names, losses.mean(axis=0).tolist(), strict=True)),
            "grad_norm": float(norms[finite].mean()) if finite.any() else None,
            "skipped": int((~finite).sum()),
            "images_per_second": self._images / seconds,
            "seconds": seconds,
        }
        self._reset()
        return record

    def _reset(self) -> None:
        self._results: list[StepResult] = []
        self._images = 0
        self.start()

"""Means over the steps between two log lines."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from acmix.engine.train_step import StepResult

MAX_CONSECUTIVE_SKIPS = 20
"""Limit of skipped steps in a row: a dynamic loss scale has fallen to 1 by then."""


class NonfiniteStep(NamedTuple):
    """A step whose loss was not finite."""

    step: int
    rate: float
    loss: float


class Row(NamedTuple):
    """A step since the last line, as plain numbers."""

    step: int
    rate: float
    losses: tuple[float, ...]
    grad_norm: float
    finite: bool


class Meter:
    """Keeps the results of steps on the device and reads them all at once, for a line or a file.

    Args:
        loss_names: names of the losses in the results.
        devices: number of devices that train together, each on equally many images.

    Attributes:
        consecutive_skips: number of steps skipped in a row, up to the last one that was read.
        nonfinite: the first step since the last line whose loss was not finite, or None.
    """

    def __init__(self, loss_names: tuple[str, ...], devices: int = 1):
        self.loss_names = loss_names
        self.devices = devices
        self.consecutive_skips = 0
        self.nonfinite: NonfiniteStep | None = None
        self._rows: list[Row] = []
        self._results: list[tuple[int, float, StepResult]] = []
        self._images = 0
        self._compilation = 0.0
        self.start()

    def start(self) -> None:
        """Start the clock; evaluation and saving before it do not count as training."""
        self._start = time.perf_counter()

    def add(
        self,
        step: int,
        rate: float,
        result: StepResult,
        images: int,
        compilation: float | None = None,
    ) -> None:
        """Add a step that took ``images`` images on this device at a learning rate.

        Args:
            step: its number.
            rate: the learning rate.
            result: of the step.
            images: number of its images on this device.
            compilation: seconds of a step that compiles, which counts for no speed.
        """
        self._results.append((step, rate, result))
        if compilation is None:
            self._images += images * self.devices
        else:
            self._compilation += compilation

    def state(self) -> dict[str, Any]:
        """Return the steps since the last line for a checkpoint, as JSON can hold them.

        With :meth:`restore` an interrupted run writes the same means as an uninterrupted one. The
        clock is not part of it.
        """
        self.read()
        return {"consecutive_skips": self.consecutive_skips, "rows": [list(r) for r in self._rows]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from the result of :meth:`state`.

        Raises:
            ValueError: ``state`` is none, or has other losses.
        """
        try:
            rows = [
                Row(int(step), float(rate), tuple(map(float, losses)), float(norm), bool(finite))
                for step, rate, losses, norm, finite in state["rows"]
            ]
            self.consecutive_skips = int(state["consecutive_skips"])
        except (KeyError, TypeError, OverflowError) as error:
            raise ValueError(f"the meter's state is damaged: {error!r}") from error
        if any(len(row.losses) != len(self.loss_names) for row in rows):
            raise ValueError("the meter's state has other losses")
        self._rows = rows

    def flush(self) -> dict[str, Any]:
        """Return the means since the last call, and reset.

        Returns:
            Losses by their names, over the steps where they were finite (NaN if there is none);
            ``grad_norm`` over the steps that updated the parameters; ``skipped``, the number of
            others; ``images_per_second`` of all devices, without the steps that compile (None if
            there were no others in this process); ``seconds`` of wall time. Empty if no step is
            known.
        """
        self.read()
        if not self._rows:
            return {}
        losses = np.array([row.losses for row in self._rows])
        norms = np.array([row.grad_norm for row in self._rows])
        taken = np.array([row.finite for row in self._rows])
        finite = np.isfinite(losses[:, 0])
        means = losses[finite].mean(axis=0) if finite.any() else losses[0]
        seconds = time.perf_counter() - self._start
        record = {
            **dict(zip(self.loss_names, means.tolist(), strict=True)),
            "grad_norm": float(norms[taken].mean()) if taken.any() else None,
            "skipped": int((~taken).sum()),
            "images_per_second": self._speed(seconds),
            "seconds": seconds,
        }
        self._reset()
        return record

    def read(self) -> None:
        """Read the results from the device, and update the attributes."""
        for step, rate, result in self._results:
            losses = tuple(float(loss) for loss in result.losses)
            norm, finite = float(result.grad_norm), bool(result.finite)
            self._rows.append(Row(step, float(rate), losses, norm, finite))
            self.consecutive_skips = 0 if finite else self.consecutive_skips + 1
            if self.nonfinite is None and not np.isfinite(losses[0]):
                self.nonfinite = NonfiniteStep(step, float(rate), losses[0])
        self._results = []

    def divergence(self, step: int, rate: float, stop_at_nonfinite: bool) -> str | None:
        """Return where and how training has diverged by ``step``, or None."""
        self.read()
        if self.nonfinite is not None and stop_at_nonfinite:
            return "at step {} (lr={:.3g}): the loss is {}".format(*self.nonfinite)
        if self.consecutive_skips > MAX_CONSECUTIVE_SKIPS:
            return (
                f"by step {step} (lr={rate:.3g}): loss or gradient were not finite "
                f"{self.consecutive_skips} times in a row"
            )
        return None

    def _speed(self, seconds: float) -> float | None:
        return self._images / (seconds - self._compilation) if self._images else None

    def _reset(self) -> None:
        self.nonfinite = None
        self._rows, self._results = [], []
        self._images = 0
        self._compilation = 0.0
        self.start()

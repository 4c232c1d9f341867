"""What a run shows of itself while it trains: its curve, and the results of each class."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from acmix.errors import UserError
from acmix.tasks import Task
from acmix.workflows.curve import plot_training_curve, read_records

logger = logging.getLogger(__name__)

SHARE = 0.1
"""Largest share of a run's time that goes into pictures; short epochs share one."""

_EXPECTED_SECONDS = 2.0  # for the first pictures


class RunPictures:
    """Writes ``curve.png`` and the task's files after evaluations.

    Args:
        task: of the run.
        folder: of the run; holds ``metrics.jsonl``.
        classes: names of the classes, by label.
    """

    def __init__(self, task: Task[Any, Any, Any], folder: Path, classes: Sequence[str]):
        self._task, self._folder, self._classes = task, folder, tuple(classes)
        self._latest: Any = None
        self._begin = time.monotonic()
        self._spent, self._last = 0.0, _EXPECTED_SECONDS

    def __call__(self, metric: Any) -> None:
        """Take the metric of an evaluation whose line is written."""
        self._latest = metric
        passed = time.monotonic() - self._begin
        if self._spent + self._last > SHARE * passed:
            return
        try:
            self._write()
        except (UserError, OSError) as error:  # no picture may end a training
            logger.warning("The pictures of the run were not written: %s", error)

    def finish(self) -> None:
        """Write what is not of the last evaluation yet, and the curve with the last lines."""
        if self._latest is None:
            self._write_curve()
        else:
            self._write()

    def _write(self) -> None:
        start = time.monotonic()
        metric, self._latest = self._latest, None
        self._task.write_evaluation(metric, self._classes, self._folder)
        self._write_curve()
        self._last = time.monotonic() - start
        self._spent += self._last

    def _write_curve(self) -> None:
        metrics, curve = self._folder / "metrics.jsonl", self._folder / "curve.png"
        if any("loss" in record for record in read_records(metrics)):  # not after an early Ctrl-C
            plot_training_curve(metrics, curve, self._task.headline)

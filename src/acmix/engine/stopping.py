"""Where training ends after a signal: all ranks at the same place, and without loss."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import numpy as np
from mindspore import Tensor

from acmix.engine.evaluate import Dataset, evaluate
from acmix.engine.grouping import Batch
from acmix.engine.objective import Metric, Objective
from acmix.engine.train_step import StepResult
from acmix.parallel import World
from acmix.utils.activity import doing
from acmix.utils.interruption import BEFORE_TRAINING, Interrupted, Interruption

IN_EVALUATION = "in an evaluation: the checkpoint before it is whole"


class Evaluation(NamedTuple):
    """Result of an evaluation."""

    metric: Metric
    """Of the images of all ranks."""
    values: dict[str, float]
    """Of :meth:`Metric.compute`."""


class Stopping:
    """Decides, on all ranks alike, whether to stop.

    Before the first step is complete on all ranks there is nothing to save: a signal ends it at
    once. Later it ends training after a step, and an evaluation before its next batch.

    Args:
        world: the devices that train together.
        interruption: receives the signals of this rank.

    Attributes:
        now: whether training must end after the present step.
    """

    def __init__(self, world: World, interruption: Interruption):
        self.world = world
        self.interruption = interruption
        self.now = False
        self._has_begun = False
        self._previous: Tensor | float = 0.0

    @property
    def is_asked(self) -> bool:
        """Whether this rank got a signal."""
        return self.interruption.signal is not None

    @property
    def reason(self) -> str:
        """What the user is told: the name of the signal."""
        return self.interruption.signal or "a signal to another rank"

    def until_begun(self) -> AbstractContextManager[None]:
        """Let a signal end at once what comes before the end of the first step."""
        if self._has_begun:
            return nullcontext()
        return self.interruption.ending_at_once(BEFORE_TRAINING)

    def reading(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        """Iterate over ``batches``."""
        while True:
            doing("reading images")
            with self.until_begun():
                batch = next(batches, None)
            if batch is None:
                return
            yield batch

    def after_step(self, result: StepResult) -> None:
        """Set :attr:`now`, the same on all ranks; ``result`` has the requests of all."""
        if not self._has_begun:
            self._has_begun = True
            self.world.barrier()  # none goes on, nor saves, while another can end at once
        if self.world.size == 1:
            self.now = self.is_asked
            return
        # The previous step's value is ready; reading this one's would make the device idle.
        previous, self._previous = self._previous, result.stop
        self.now = float(previous) > 0

    def evaluate(self, objective: Objective, data: Dataset, step: int) -> Evaluation:
        """Return the metric of ``data`` and its values, which are the same on all ranks.

        Args:
            objective: provides network and metric.
            data: batches of this rank.
            step: the last training step, for the record of what this rank does.

        Raises:
            Interrupted: a rank got a signal; on all ranks.
        """
        alone = self.world.size == 1
        with self.interruption.ending_at_once(IN_EVALUATION) if alone else nullcontext():
            metric = evaluate(objective, _Interruptible(data, self, step), self.world)
            doing(f"computing the metrics after step {step}")
            if alone:
                return Evaluation(metric, metric.compute())
        metrics = None
        if self.world.is_first:  # COCO's evaluation takes minutes and gives the same on all
            try:
                with self.interruption.ending_at_once(IN_EVALUATION):
                    metrics = metric.compute()
            except Interrupted:
                pass  # the others are told first
        metrics = self.world.broadcast(metrics)
        if metrics is None:
            raise self.interruption.interrupted(IN_EVALUATION)
        return Evaluation(metric, metrics)

    def check(self) -> None:
        """Raise Interrupted, on all ranks, if one of them got a signal."""
        asked = np.array([self.is_asked], np.int64)
        if self.world.all_reduce(asked)[0]:
            raise self.interruption.interrupted(IN_EVALUATION)


class _Interruptible:
    """A data set whose ranks agree before every batch whether to go on."""

    def __init__(self, data: Dataset, stopping: Stopping, step: int):
        self.data, self.stopping, self.step = data, stopping, step

    def __len__(self) -> int:
        return len(self.data)

    def epoch(self, k: int, skip_batches: int = 0) -> Iterator[tuple[np.ndarray, ...]]:
        """Return the batches; all ranks have equally many."""
        for i, batch in enumerate(self.data.epoch(k, skip_batches), start=1):
            self.stopping.check()
            doing(f"evaluating batch {i} after step {self.step}")
            yield batch

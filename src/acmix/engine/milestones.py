"""Milestones of a run: its length, evaluations, checkpoints, lines, and learning rates by step."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from acmix.config import TrainConfig
from acmix.engine.checkpoint import Progress


@dataclass(frozen=True)
class Milestones:
    """What is due at each step of a run.

    A milestone is a step after which the run saves, evaluates and writes a line: every
    ``train.eval_steps`` steps, or the end of every epoch without it; always the end of the run.
    """

    train: TrainConfig
    rates: np.ndarray
    """Learning rate of every step."""
    global_batch: int
    """Images of one step."""

    def is_end(self, progress: Progress) -> bool:
        """Whether nothing is left to train."""
        if self.train.steps is not None:
            return progress.step >= self.train.steps
        return progress.epoch >= self.train.epochs

    def is_milestone(self, progress: Progress) -> bool:
        """Whether the step just taken is a milestone."""
        if self.train.eval_steps is not None:
            return self.is_end(progress) or progress.step % self.train.eval_steps == 0
        return self.is_end(progress) or not progress.inside_epoch

    def evaluates(self, progress: Progress) -> bool:
        """Whether an evaluation is due at a milestone."""
        by_step = self.train.eval_steps is not None
        return by_step or self.is_end(progress) or progress.epoch % self.train.eval_interval == 0

    def logs(self, progress: Progress) -> bool:
        """Whether the step just taken, no milestone, has a line."""
        return self.saves(progress) or progress.step % self.train.log_interval == 0

    def saves(self, progress: Progress) -> bool:
        """Whether the step just taken, no milestone, has a checkpoint."""
        interval = self.train.save_interval
        return interval is not None and progress.step % interval == 0

    def after_step(self, progress: Progress) -> Progress:
        """Return the progress after one more step; the last one of an epoch ends it."""
        inside = progress.steps_inside(self.global_batch) + 1
        if inside == progress.steps_per_epoch:
            return replace(progress, step=progress.step + 1, epoch=progress.epoch + 1, position=0)
        return replace(progress, step=progress.step + 1, position=inside * self.global_batch)

    def next_rate(self, progress: Progress) -> float:
        """Return the learning rate of the step after ``progress``."""
        return self.rates[self.done(progress)]

    def last_rate(self, progress: Progress) -> float:
        """Return the learning rate of the step that led to ``progress``."""
        return self.rates[max(0, self.done(progress) - 1)]

    def epochs(self, progress: Progress) -> float:
        """Return the completed epochs, with a fraction inside an epoch."""
        inside = progress.steps_inside(self.global_batch)
        return progress.epoch + inside / progress.steps_per_epoch

    def left(self, progress: Progress) -> str:
        """Return how far the run is, of what."""
        if self.train.steps is not None:
            return f"{progress.step} steps are done, train.steps={self.train.steps}"
        return f"{progress.epoch} epochs are done, train.epochs={self.train.epochs}"

    @property
    def total(self) -> int:
        """Steps of the whole run, of :meth:`done`."""
        return len(self.rates)

    @property
    def epochs_of_run(self) -> int | None:
        """Length of the run in epochs; None if it is measured in steps."""
        return None if self.train.steps is not None else self.train.epochs

    def title(self, progress: Progress) -> str:
        """Return which part of the run ``progress`` is in, or has just completed."""
        if self.train.steps is not None:
            return "steps"
        begun = progress.inside_epoch or progress.epoch == 0
        return f"epoch {progress.epoch + begun}/{self.train.epochs}"

    def evaluations_left(self, progress: Progress) -> int:
        """Return how many evaluations are due up to the end of the run."""
        done, total = self.done(progress), self.total
        if self.train.eval_steps is not None:
            interval = self.train.eval_steps
        else:
            interval = progress.steps_per_epoch * self.train.eval_interval
        return -(-total // interval) - done // interval  # the end is one, whatever the interval

    def done(self, progress: Progress) -> int:
        """Return the steps of the run that are done, which is the place of the next in its rates.

        Without ``train.steps`` it follows the epochs, which another number of workers divides into
        another number of steps.
        """
        if self.train.steps is not None:
            return progress.step
        inside = progress.steps_inside(self.global_batch)
        return progress.epoch * progress.steps_per_epoch + inside

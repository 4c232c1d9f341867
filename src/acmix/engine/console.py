"""What training shows: one line for the whole run, and a row for every milestone."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import mindspore as ms
import numpy as np

from acmix.engine.checkpoint import Progress
from acmix.engine.evaluate import Dataset
from acmix.engine.grouping import Group
from acmix.engine.milestone_table import MilestoneTable, per_second
from acmix.engine.milestones import Milestones
from acmix.engine.speed import Speed
from acmix.engine.train_step import StepResult
from acmix.parallel import World
from acmix.utils.activity import doing
from acmix.utils.interruption import Interruption
from acmix.utils.progress import ProgressLine, clock

_READ_SECONDS = 1.0


@dataclass
class StepTime:
    """How long a step took."""

    compiles: bool
    """Whether it was the first one of its shape, which compiles: its time tells no speed."""
    seconds: float = 0.0

    @property
    def compilation(self) -> float | None:
        """Seconds of a step that compiles; None for another."""
        return self.seconds if self.compiles else None


class TrainingConsole:
    """Shows how far a run is; a context while it trains.

    Args:
        milestones: of the run.
        progress: where the run begins.
        headline: titles of the metrics in the table, by name.
        world: devices that train together, each on equally many images; the first one shows.
        interruption: a signal to it is shown as soon as it comes.

    Attributes:
        evaluation_seconds: duration of the last evaluation.
    """

    def __init__(
        self,
        milestones: Milestones,
        progress: Progress,
        headline: Mapping[str, str],
        world: World,
        interruption: Interruption,
    ):
        self._milestones, self._devices, self._shown = milestones, world.size, world.is_first
        self._interruption = interruption
        self._table = MilestoneTable(headline, milestones.epochs_of_run, progress.step)
        title, done = milestones.title(progress), milestones.done(progress)
        self._line = ProgressLine(
            title, milestones.total, done, shown=world.is_first, notice=self._notice
        )
        self._speed = Speed()
        self._compiled: set[tuple[tuple[int, ...], ...]] = set()
        self._previous: StepResult | None = None
        self._loss, self._read = math.nan, 0.0
        self.evaluation_seconds = self._next_evaluation = 0.0

    def __enter__(self) -> TrainingConsole:
        self._line.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._line.__exit__(*exception)

    @contextmanager
    def step(self, number: int, group: Group) -> Iterator[StepTime]:
        """Time a step, and say so if it compiles.

        Args:
            number: of the step, for the record of what this process does.
            group: batches of the step.
        """
        shapes = tuple(array.shape for batch in group for array in batch)
        timed = StepTime(compiles=shapes not in self._compiled)
        what = _compiling() if timed.compiles else f"step {number}"
        doing(what, number, meets=self._devices > 1)
        with self._line.phase(what, announced=True) if timed.compiles else nullcontext():
            start = time.perf_counter()
            yield timed
            timed.seconds = time.perf_counter() - start
        self._compiled.add(shapes)

    def after_step(
        self, progress: Progress, rate: float, result: StepResult, images: int, timed: StepTime
    ) -> None:
        """Count a step that took ``images`` images on this device."""
        if timed.compiles:
            self._speed.start()
        else:
            self._speed.add(images * self._devices)
        now = time.monotonic()
        if self._previous is not None and now - self._read >= _READ_SECONDS:
            # The previous step's value is ready; reading this one's would make the device idle.
            self._loss, self._read = float(self._previous.losses[0]), now
        self._previous = result
        self._line.title = self._milestones.title(progress)
        self._line.note = self._note(progress, rate)
        self._line.advance(self._milestones.done(progress) - self._line.done)

    @contextmanager
    def evaluating(self, data: Dataset) -> Iterator[Dataset]:
        """Show an evaluation of the data that the block is given."""
        start = second = time.perf_counter()
        batches = len(data)

        def begin(batch: int) -> None:
            nonlocal second
            tell(f"evaluating batch {batch} of {batches}")
            second = time.perf_counter() if batch == 2 else second

        with self._line.phase("evaluating") as tell:
            yield _Counted(data, begin)
        end = time.perf_counter()
        self.evaluation_seconds = end - start
        # The first batch of the first one compiles: those that come take the time of the others.
        others = (end - second) * batches / max(1, batches - 1)
        self._next_evaluation = min(end - start, others)

    def resume(self) -> None:
        """Go on training: the time since the last step, for saving and evaluating, is no speed."""
        self._speed.start()

    def take(self, record: Mapping[str, Any]) -> None:
        """Take a line of the metrics: its losses count for the next row."""
        self._table.add(record)

    def row(self, progress: Progress, record: Mapping[str, Any]) -> None:
        """Print the row of a milestone, marked if it is the best so far."""
        best = progress.best_step == progress.step
        if self._shown:
            self._table.row(record, self._speed.mean(), best)

    def _note(self, progress: Progress, rate: float) -> str:
        parts = [] if math.isnan(self._loss) else [f"loss {self._loss:.4g}"]
        parts.append(f"lr {rate:.2e}")
        speed = self._speed.now
        if speed is not None:
            steps = self._milestones.total - self._milestones.done(progress)
            left = steps * speed.seconds_per_step
            left += self._milestones.evaluations_left(progress) * self._next_evaluation
            parts += [f"{per_second(speed.images_per_second)} images/s", f"{clock(left)} left"]
        return "  ".join(parts)

    def _notice(self) -> str | None:
        signal = self._interruption.signal
        return None if signal is None else f"{signal}: stopping where nothing is lost"


class _Counted:
    """A data set that tells the number of each batch before it is used."""

    def __init__(self, data: Dataset, begin: Callable[[int], None]):
        self._data, self._begin = data, begin

    def __len__(self) -> int:
        return len(self._data)

    def epoch(self, k: int, skip_batches: int = 0) -> Iterator[tuple[np.ndarray, ...]]:
        """Return the batches of the data set."""
        for i, batch in enumerate(self._data.epoch(k, skip_batches), start=1):
            self._begin(i)
            yield batch


def _compiling() -> str:
    graph = ms.get_context("mode") == ms.GRAPH_MODE
    return "compiling the training step" if graph else "running the first step"

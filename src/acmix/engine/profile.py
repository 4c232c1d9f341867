"""Profile of a training step: a table, and a timeline for chrome://tracing.

In training, forward, backward, exchange of gradients and update are one compiled function. The
profiler also compiles each of them separately and times it alone, synchronised with the device. It
times the whole step on the same batch, for comparison with the sum of the parts.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from mindspore import Parameter, Tensor

from acmix.engine.ema import ExponentialMovingAverage
from acmix.engine.evaluate import Dataset
from acmix.engine.grouping import Group, batches_of_steps
from acmix.engine.train_step import TrainStep
from acmix.utils.files import write_text
from acmix.utils.parameters import get_value, load_values
from acmix.utils.table import Style, render_table
from acmix.utils.target import current_target
from acmix.utils.waiting import wait_for

logger = logging.getLogger(__name__)

DATA, COPY, FORWARD, BACKWARD = "data wait", "copy to device", "forward", "backward"
EXCHANGE, UPDATE, STATISTICS = "gradient exchange", "update", "running statistics"
AVERAGE = "moving average"
STEP = "whole step"
PARTS_OF_STEP = (COPY, FORWARD, BACKWARD, EXCHANGE, UPDATE, STATISTICS)
"""Parts of :data:`STEP`, in order."""

STEPS = 20
"""Measured steps."""
WARMUP = 5
"""Steps before them: enough to use up the batches that the pipeline has prepared in advance."""

_FORWARD_AND_BACKWARD = "forward and backward"
_STEP_IN_TRAINING = "step"
_TRAINING, _PARTS = "training", "parts of a step"


class Event(NamedTuple):
    """A timed event; both times in seconds, ``start`` relative to the start of the profile."""

    name: str
    track: str
    start: float
    seconds: float


@dataclass(frozen=True)
class StepProfile:
    """Measured parts of a training step.

    Attributes:
        seconds: of every part, one value per measured step.
        events: all timed events, in order.
        images: images of a step on this device.
        warmup: number of steps before the measured ones.
    """

    seconds: Mapping[str, tuple[float, ...]]
    events: tuple[Event, ...]
    images: int
    warmup: int

    def median(self, part: str) -> float:
        """Return the median seconds of a part, 0 if the step has no such part."""
        return float(np.median(self.seconds[part])) if part in self.seconds else 0.0

    @property
    def images_per_second(self) -> float:
        """Images per second of this device in training, including the wait for batches."""
        return self.images / sum(map(self.median, (DATA, STEP, AVERAGE)))

    def render(self, style: Style = "text") -> str:
        """Return the table with an explanation."""
        parts = [part for part in PARTS_OF_STEP if part in self.seconds]
        total = sum(map(self.median, parts))
        cycle = self.images / self.images_per_second
        rows = [(part, self.median(part)) for part in (DATA, *parts)]
        rows += [(f"sum of these {len(parts)}", total), (STEP, self.median(STEP))]
        rows += [(AVERAGE, self.median(AVERAGE))] if AVERAGE in self.seconds else []
        cells = [[name, f"{1e3 * time:.1f}", f"{100 * time / cycle:.0f}"] for name, time in rows]
        table = render_table(["part of a training step", "ms", "%"], cells, style)
        return (
            f"{table}\n\nMedians of {len(self.seconds[STEP])} steps after {self.warmup} of "
            f"warm-up; {self.images_per_second:.1f} images/s on this device; % of data wait and "
            "whole step. The parts are compiled apart and waited for; the whole step is one "
            "function, as in training. Backward is forward and backward less forward."
        )

    def trace(self, process: int = 0) -> dict[str, Any]:
        """Return the timeline in Chrome's trace event format; microseconds.

        Args:
            process: number of the process, to view the traces of several in one timeline.
        """
        tracks = list(dict.fromkeys(event.track for event in self.events))
        names = [
            {"ph": "M", "name": "thread_name", "pid": process, "tid": i, "args": {"name": track}}
            for i, track in enumerate(tracks)
        ]
        events = [
            {
                "ph": "X", "name": event.name, "cat": event.track, "pid": process,
                "tid": tracks.index(event.track), "ts": 1e6 * event.start,
                "dur": 1e6 * event.seconds,
            }
            for event in self.events
        ]  # fmt: skip
        return {
            "displayTimeUnit": "ms",
            "traceEvents": names + events,
            "otherData": {"median_seconds": {part: self.median(part) for part in self.seconds}},
        }

    def report(self, path: Path) -> None:
        """Log the table, and write the timeline to ``path``."""
        self.write_trace(path)
        logger.info(self.render())
        logger.info("Timeline for chrome://tracing: %s", path)

    def write_trace(self, path: Path, process: int = 0) -> None:
        """Write :meth:`trace` as JSON for chrome://tracing or ui.perfetto.dev."""
        write_text(path, json.dumps(self.trace(process)))


def profile_training(
    step: TrainStep,
    data: Dataset,
    epoch: int,
    learning_rate: float,
    state: Mapping[str, Parameter],
    ema: ExponentialMovingAverage | None = None,
    *,
    steps: int = STEPS,
    warmup: int = WARMUP,
) -> StepProfile:
    """Measure training steps and their parts on real batches, without changing any parameter.

    First train as usual, to measure the wait for batches. Steps with a new shape of batch compile
    and do not count. Then alternate between the parts and the whole step on one group of batches.
    Restore all parameters at the end.

    Args:
        step: the step to measure; its network is in training mode.
        data: training batches.
        epoch: first epoch whose batches are used.
        learning_rate: of all steps.
        state: every parameter that a step changes.
        ema: updated after every step, if there is one.
        steps: number of measured steps.
        warmup: number of steps before them.
    """
    before = {name: get_value(parameter) for name, parameter in state.items()}
    clock = _Clock()
    try:
        # Closing stops the threads that prepare batches; they would disturb the measurement.
        with closing(_groups(data, epoch, step.accumulate)) as groups:
            group = _time_training(clock, groups, step, learning_rate, ema, warmup, steps)
        for number in range(-warmup, steps):
            _time_parts(clock, group, step)
            with clock.time(STEP, _PARTS):
                wait_for(step(group, learning_rate))
            clock.end_step(keep=number >= 0)
    finally:
        load_values(state, before, "the state before the profile")
    seconds = clock.kept
    both = np.array(seconds.pop(_FORWARD_AND_BACKWARD))
    seconds[BACKWARD] = tuple((both - seconds[FORWARD]).tolist())
    del seconds[_STEP_IN_TRAINING]
    images = sum(len(batch[0]) for batch in group)
    return StepProfile(seconds, tuple(clock.events), images, warmup)


def _groups(data: Dataset, epoch: int, size: int) -> Generator[Group, None, None]:
    """Yield groups of ``size`` batches, epoch after epoch as in training."""
    for number in count(epoch):
        yield from batches_of_steps(data.epoch(number), size)


def _time_training(
    clock: _Clock,
    groups: Iterator[Group],
    step: TrainStep,
    learning_rate: float,
    ema: ExponentialMovingAverage | None,
    warmup: int,
    steps: int,
) -> Group:
    """Time steps as in training, and return the batches of the last one."""
    compiled_for: set[tuple[int, ...]] = set()
    done = 0
    while done < warmup + steps:
        with clock.time(DATA, _TRAINING):
            group = next(groups)
        with clock.time(_STEP_IN_TRAINING, _TRAINING):
            wait_for(step(group, learning_rate))
        if ema is not None:
            with clock.time(AVERAGE, _TRAINING):
                ema.update()
                wait_for(ema.averages[-1])
        shapes = {batch[0].shape for batch in group}
        done += shapes <= compiled_for
        clock.end_step(keep=shapes <= compiled_for and done > warmup)
        compiled_for |= shapes
    return group


def _time_parts(clock: _Clock, group: Group, step: TrainStep) -> None:
    """Time the parts of a step, one after the other."""
    with clock.time(COPY, _PARTS):
        tensors = [[_on_device(array) for array in batch] for batch in group]
    for batch in tensors:
        with clock.time(FORWARD, _PARTS):
            wait_for(step.parts.forward(*batch))
        with clock.time(_FORWARD_AND_BACKWARD, _PARTS):
            _, gradients = step.parts.backward(*batch)
            wait_for(gradients)
    if step.parts.all_reduce is not None:
        # Synchronises the devices: the delay of a slow one must not count as exchange.
        wait_for(step.parts.all_reduce(*gradients))
        with clock.time(EXCHANGE, _PARTS):
            gradients = step.parts.all_reduce(*gradients)
            wait_for(gradients)
    with clock.time(UPDATE, _PARTS):
        norm, finite = step.parts.update(*gradients)
        wait_for(norm)
    if step.statistics.parameters:
        with clock.time(STATISTICS, _PARTS):
            step.statistics.update(finite)
            wait_for(step.statistics.parameters[-1])


def _on_device(array: np.ndarray) -> Tensor:
    """Copy to the device now; accelerators defer the copy until an operator needs it."""
    tensor = Tensor(array)
    if current_target().asynchronous:
        tensor = tensor.copy()
        wait_for(tensor)
    return tensor


class _Clock:
    """Times events, and adds up those of the same name within a step.

    Attributes:
        events: all timed events.
        kept: seconds by name, one value for every kept step.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.kept: dict[str, tuple[float, ...]] = {}
        self._origin = perf_counter()
        self._step: dict[str, float] = {}

    @contextmanager
    def time(self, name: str, track: str) -> Iterator[None]:
        """Time the ``with`` block as a part of the current step."""
        start = perf_counter()
        yield
        seconds = perf_counter() - start
        self.events.append(Event(name, track, start - self._origin, seconds))
        self._step[name] = self._step.get(name, 0.0) + seconds

    def end_step(self, keep: bool) -> None:
        """End the current step; ``keep`` adds it to the measured ones."""
        if keep:
            for name, seconds in self._step.items():
                self.kept[name] = (*self.kept.get(name, ()), seconds)
        self._step = {}

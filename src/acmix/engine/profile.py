"""Where the time of a training step goes: a table, and a timeline for chrome://tracing.

In training forward, backward, exchange of gradients and update are one compiled function. Here each
is compiled apart too and timed alone, with the device waited for; the whole step is timed beside
them on the same batch, so that the sum of the parts can be judged.
"""

from __future__ import annotations

import json
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

DATA, COPY, FORWARD, BACKWARD = "data wait", "copy to device", "forward", "backward"
EXCHANGE, UPDATE, STATISTICS = "gradient exchange", "update", "running statistics"
AVERAGE = "moving average"
STEP = "whole step"
PARTS_OF_STEP = (COPY, FORWARD, BACKWARD, EXCHANGE, UPDATE, STATISTICS)
"""What :data:`STEP` does, one after the other."""

STEPS = 20
"""Measured steps."""
WARMUP = 5
"""Steps before them: more batches than the pipeline keeps ready would hide how slow it is."""

_FORWARD_AND_BACKWARD = "forward and backward"
_STEP_IN_TRAINING = "step"
_TRAINING, _APART = "training", "parts of a step"


class Event(NamedTuple):
    """Something that took time; both times in seconds, the start since the profile's."""

    name: str
    track: str
    start: float
    seconds: float


@dataclass(frozen=True)
class StepProfile:
    """Measured parts of a training step.

    Attributes:
        seconds: of every part, one value per measured step.
        events: everything that was timed, in its order.
        images: of a step on this device.
        warmup: steps before the measured ones.
    """

    seconds: Mapping[str, tuple[float, ...]]
    events: tuple[Event, ...]
    images: int
    warmup: int

    def median(self, part: str) -> float:
        """Return the median seconds of a part, 0 for one that there is not."""
        return float(np.median(self.seconds[part])) if part in self.seconds else 0.0

    @property
    def images_per_second(self) -> float:
        """Images per second of this device when batches are waited for and steps follow."""
        return self.images / sum(map(self.median, (DATA, STEP, AVERAGE)))

    def render(self, style: Style = "text") -> str:
        """Return the table, and how to read it."""
        parts = [part for part in PARTS_OF_STEP if part in self.seconds]
        apart = sum(map(self.median, parts))
        cycle = self.images / self.images_per_second
        rows = [(part, self.median(part)) for part in (DATA, *parts)]
        rows += [(f"sum of these {len(parts)}", apart), (STEP, self.median(STEP))]
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
            process: number of the process, to lay the traces of several beside each other.
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
    """Measure training steps and their parts on real batches; change nothing.

    First it trains as usual, to see how long batches are waited for; steps that meet a new shape
    of batch, which compile, do not count. Then the parts and the whole step take turns on one
    group of batches. All parameters have their values again afterwards.

    Args:
        step: what is measured; the network is in training mode.
        data: training batches.
        epoch: the first whose batches are taken.
        learning_rate: of all steps.
        state: every parameter that a step changes.
        ema: updated after every step, if there is one.
        steps: measured steps.
        warmup: steps before them.
    """
    before = {name: get_value(parameter) for name, parameter in state.items()}
    clock = _Clock()
    try:
        # Closing stops the threads that prepare batches, which would disturb what follows.
        with closing(_groups(data, epoch, step.accumulate)) as groups:
            group = _train(clock, groups, step, learning_rate, ema, warmup, steps)
        for number in range(-warmup, steps):
            _take_apart(clock, group, step)
            with clock.time(STEP, _APART):
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
    """Yield groups of ``size`` batches, epoch after epoch as training does."""
    for number in count(epoch):
        yield from batches_of_steps(data.epoch(number), size)


def _train(
    clock: _Clock,
    groups: Iterator[Group],
    step: TrainStep,
    learning_rate: float,
    ema: ExponentialMovingAverage | None,
    warmup: int,
    steps: int,
) -> Group:
    """Take steps as training does, and return the batches of the last."""
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


def _take_apart(clock: _Clock, group: Group, step: TrainStep) -> None:
    """Do what a step does, part by part."""
    with clock.time(COPY, _APART):
        tensors = [[_on_device(array) for array in batch] for batch in group]
    for batch in tensors:
        with clock.time(FORWARD, _APART):
            wait_for(step.parts.forward(*batch))
        with clock.time(_FORWARD_AND_BACKWARD, _APART):
            _, gradients = step.parts.backward(*batch)
            wait_for(gradients)
    if step.parts.all_reduce is not None:
        # Lets the devices meet: how late one of them is must not count as the exchange's time.
        wait_for(step.parts.all_reduce(*gradients))
        with clock.time(EXCHANGE, _APART):
            gradients = step.parts.all_reduce(*gradients)
            wait_for(gradients)
    with clock.time(UPDATE, _APART):
        norm, finite = step.parts.update(*gradients)
        wait_for(norm)
    if step.statistics.parameters:
        with clock.time(STATISTICS, _APART):
            step.statistics.update(finite)
            wait_for(step.statistics.parameters[-1])


def _on_device(array: np.ndarray) -> Tensor:
    """Copy to the device; accelerators put it off until the first operator needs it."""
    tensor = Tensor(array)
    if current_target().asynchronous:
        tensor = tensor.copy()
        wait_for(tensor)
    return tensor


class _Clock:
    """Times what is done, and adds up what is done several times in one step.

    Attributes:
        events: everything that was timed.
        kept: seconds by name, one value for every step that was kept.
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
        """Begin a new step; ``keep`` says whether the one before is among the measured."""
        if keep:
            for name, seconds in self._step.items():
                self.kept[name] = (*self.kept.get(name, ()), seconds)
        self._step = {}

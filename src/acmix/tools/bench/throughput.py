"""Time several candidates in one process so that the machine's noise hits all of them alike."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from acmix.errors import check
from acmix.utils.waiting import wait_for


@dataclass(frozen=True)
class Timing:
    """Wall time of one candidate.

    Attributes:
        name: Name of the candidate.
        batch_size: Samples one call handles.
        compile_seconds: The first call, which compiles the graph.
        seconds: Of one call, per round, in the order of the rounds.
    """

    name: str
    batch_size: int
    compile_seconds: float
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """Median seconds of a call."""
        return float(np.median(self.seconds))

    @property
    def iqr(self) -> float:
        """Interquartile range in seconds: the spread of the middle half."""
        low, high = np.percentile(self.seconds, [25, 75])
        return float(high - low)

    @property
    def fps(self) -> float:
        """Samples per second at the median."""
        return self.batch_size / self.median


@dataclass(frozen=True)
class Ratio:
    """How many times faster than a baseline: median over the rounds, and their quartiles."""

    median: float
    low: float
    high: float


def measure(
    candidates: Mapping[str, Callable[[], object]],
    *,
    warmup: int = 3,
    repeats: int = 20,
    batch_size: int = 1,
    turn_seconds: float = 0.0,
) -> list[Timing]:
    """Time every candidate once per round, in rounds.

    Machines slow down and speed up over seconds. Rounds spread that over all candidates, and
    :func:`speed_up` compares within a round, where it cancels. Waiting for the device, or
    on CPU for the returned tensors, is inside of the measured time.

    Args:
        candidates: Functions by name; each does one call's work.
        warmup: Rounds before the measured ones, besides the first call, which is kept apart.
        repeats: Measured rounds.
        batch_size: Samples one call handles, for ``fps``.
        turn_seconds: How long a turn lasts at least. A candidate that needs less is called again
            and again, and the median call of the turn counts: its first ones find the caches full
            of what the candidate before left there, and its threads where the scheduler put them.

    Raises:
        UserError: There is no candidate, or a number is out of range.
    """
    check(bool(candidates), "candidates: there are none; name at least one.")
    for name, value, least in (
        ("warmup", warmup, 0),
        ("repeats", repeats, 1),
        ("batch_size", batch_size, 1),
        ("turn_seconds", turn_seconds, 0),
    ):
        check(value >= least, f"{name}: got {value}; give at least {least}.")
    names = list(candidates)
    compile_seconds = {name: _seconds(candidates[name]) for name in names}
    samples: dict[str, list[float]] = {name: [] for name in names}
    with _no_garbage_collection():
        for round_number in range(-warmup, repeats):
            # Each candidate follows each other one equally often: caches favour no one.
            first = round_number % len(names)
            for name in names[first:] + names[:first]:
                seconds = _turn(candidates[name], turn_seconds)
                if round_number >= 0:
                    samples[name].append(seconds)
    return [Timing(name, batch_size, compile_seconds[name], tuple(samples[name])) for name in names]


def speed_up(timing: Timing, baseline: Timing) -> Ratio:
    """How many times faster ``timing`` is than ``baseline``, round by round.

    Raises:
        UserError: The two were not measured in the same rounds.
    """
    check(
        len(timing.seconds) == len(baseline.seconds) and timing.batch_size == baseline.batch_size,
        f"baseline: '{timing.name}' and '{baseline.name}' were not measured in the same rounds.",
    )
    ratios = np.divide(baseline.seconds, timing.seconds)
    low, median, high = np.percentile(ratios, [25, 50, 75])
    return Ratio(float(median), float(low), float(high))


def _turn(call: Callable[[], object], least: float) -> float:
    calls = [_seconds(call)]
    while sum(calls) < least:
        calls.append(_seconds(call))
    return float(np.median(calls))


def _seconds(call: Callable[[], object]) -> float:
    start = perf_counter()
    wait_for(call())
    return perf_counter() - start


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    gc.collect()
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()

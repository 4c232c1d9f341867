"""Timing of several candidates in interleaved rounds, so that noise affects all equally."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter, sleep

import numpy as np

from acmix.errors import check
from acmix.utils.progress import ProgressLine
from acmix.utils.waiting import wait_for

REST = 0.1
"""Seconds before a turn. The threads of what ran before spin for up to tens of milliseconds and
take a core each: behind a probe of ONNX Runtime a network took up to twice as long."""


@dataclass(frozen=True)
class Timing:
    """Wall time of one candidate.

    Attributes:
        name: Name of the candidate.
        batch_size: Samples per call.
        compile_seconds: Seconds of the first call, which compiles the graph.
        seconds: Seconds per call in each round.
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
    """Speed-up over a baseline: median and quartiles over the rounds."""

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
    """Time every candidate once per round.

    The speed of a machine drifts over seconds. Rounds spread the drift over all candidates, and
    :func:`speed_up` compares within a round, where it cancels. The measured time includes waiting
    for the device, or on CPU for the returned tensors.

    Args:
        candidates: Functions by name; each performs one call.
        warmup: Rounds before the measured ones; the first, compiling call is separate.
        repeats: Measured rounds.
        batch_size: Samples per call, for ``fps``.
        turn_seconds: Minimum duration of a turn. A shorter candidate is called repeatedly and the
            median call counts, because its first calls see caches and thread placement of
            the previous candidate.

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
    compile_seconds = {}
    with ProgressLine("compiling", len(names)) as line:
        for name in names:
            with line.phase(name):
                compile_seconds[name] = _seconds(candidates[name])
            line.advance()
    samples: dict[str, list[float]] = {name: [] for name in names}
    turns = len(names) * (warmup + repeats)
    shuffled = np.random.default_rng(0)
    with _no_garbage_collection(), ProgressLine("measuring", turns, ticking=False) as line:
        for round_number in range(-warmup, repeats):
            # What ran before a call changes its time by what it left in the caches. In a fixed or
            # a rotating order that would always be the same candidate.
            for name in shuffled.permutation(names).tolist():
                sleep(REST)
                seconds = _turn(candidates[name], turn_seconds)
                if round_number >= 0:
                    samples[name].append(seconds)
                line.advance()
    return [Timing(name, batch_size, compile_seconds[name], tuple(samples[name])) for name in names]


def speed_up(timing: Timing, baseline: Timing) -> Ratio:
    """Return the speed-up of ``timing`` over ``baseline``, computed per round.

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

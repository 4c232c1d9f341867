"""The stopwatch under a clock of our own: order, separation of compilation, statistics."""

from __future__ import annotations

import gc
from collections import Counter
from itertools import pairwise

import pytest

from acmix.errors import UserError
from acmix.tools.bench import timing
from acmix.tools.bench.timing import Timing, measure, speed_up
from acmix.utils import waiting
from acmix.utils.target import target_set_to


class Clock:
    """Time stands still but for what the candidates spend."""

    def __init__(self):
        self.now = 0.0
        self.rested = 0.0

    def __call__(self):
        return self.now

    def spend(self, seconds):
        self.now += seconds

    def rest(self, seconds):
        self.rested = self.now = self.now + seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(timing, "perf_counter", clock)
    monkeypatch.setattr(timing, "sleep", clock.rest)
    monkeypatch.setattr(timing, "REST", 0.125)  # no rounding
    return clock


def _orders(names, **options):
    """Return the rounds that ``measure`` calls, without the compiling one."""
    called = []
    measure({name: lambda name=name: called.append(name) for name in names}, **options)
    assert called[: len(names)] == list(names)
    return [
        called[start : start + len(names)] for start in range(len(names), len(called), len(names))
    ]


def test_each_candidate_is_called_once_a_round(clock):
    rounds = _orders("abc", warmup=1, repeats=3)
    assert len(rounds) == 4
    assert all(sorted(round) == ["a", "b", "c"] for round in rounds)


def test_each_candidate_follows_each_other_one(clock):
    """What ran before a call changes its time: threads that still spin, caches."""
    rounds = _orders("abcd", warmup=0, repeats=20)
    called = [name for round in rounds for name in round]
    behind = Counter((before, name) for before, name in pairwise(called) if before != name)
    assert len(behind) == 12
    assert max(behind.values()) < 3 * min(behind.values())
    assert len({round[0] for round in rounds}) == 4


def test_each_turn_follows_a_rest_that_is_not_measured(clock):
    """The threads of the candidate before would still spin."""
    begun = []

    def call():
        begun.append(clock.now == clock.rested)
        clock.spend(2.0)

    timings = measure({"a": call, "b": call}, warmup=1, repeats=3)
    assert begun[2:] == [True] * 8  # behind the two that compile
    assert [timing.seconds for timing in timings] == [(2, 2, 2)] * 2


def test_the_order_of_the_rounds_is_the_same_in_every_run(clock):
    assert _orders("abcd", repeats=5) == _orders("abcd", repeats=5)


def test_first_call_is_compilation_and_warm_up_is_not_measured(clock):
    costs = iter([100.0, 50.0, 40.0, 1.0, 2.0, 4.0])
    (timing,) = measure({"net": lambda: clock.spend(next(costs))}, warmup=2, repeats=3)
    assert timing.compile_seconds == 100
    assert timing.seconds == (1, 2, 4)
    assert next(costs, None) is None


def test_a_turn_lasts_and_its_median_call_counts(clock):
    """Cold caches make the first call of each turn slow; one long call is a turn of its own."""
    costs = {"quick": iter([9.0, *[5.0, 1.0, 1.0, 2.0] * 2]), "slow": iter([20.0, 10.0, 12.0])}
    quick, slow = measure(
        {name: lambda name=name: clock.spend(next(costs[name])) for name in costs},
        warmup=0, repeats=2, turn_seconds=8.5,
    )  # fmt: skip
    assert quick.seconds == (1.5, 1.5)
    assert slow.seconds == (10, 12)


class Pending:
    """A tensor that is computed only when it is asked for, as in PyNative mode."""

    def __init__(self, clock):
        self.clock = clock

    def asnumpy(self):
        self.clock.spend(3.0)


def test_waiting_for_returned_tensors_is_measured_on_cpu(clock):
    (timing,) = measure({"net": lambda: (Pending(clock), [Pending(clock)])}, warmup=0, repeats=2)
    assert timing.seconds == (6, 6)


def test_waiting_for_the_device_is_measured_elsewhere(clock, monkeypatch):
    monkeypatch.setattr(waiting.ms.runtime, "synchronize", lambda: clock.spend(2.0))
    with target_set_to("Ascend"):
        (timing,) = measure({"net": lambda: Pending(clock)}, warmup=0, repeats=2)
    assert timing.seconds == (2, 2)


def test_statistics_of_known_samples():
    timing = Timing("net", 8, 0.0, (1.0, 2.0, 3.0, 4.0, 100.0))
    assert timing.median == 3
    assert timing.iqr == 2
    assert timing.fps == pytest.approx(8 / 3)


def test_speed_up_compares_within_rounds_so_that_noise_cancels():
    slow = Timing("slow", 1, 0.0, (2.0, 20.0, 2.0, 200.0))
    fast = Timing("fast", 1, 0.0, (1.0, 10.0, 1.0, 100.0))
    ratio = speed_up(fast, baseline=slow)
    assert (ratio.low, ratio.median, ratio.high) == (2, 2, 2)
    assert speed_up(slow, baseline=fast).median == 0.5


def test_speed_up_over_other_rounds_is_refused():
    with pytest.raises(UserError, match="same rounds"):
        speed_up(Timing("a", 1, 0.0, (1.0,)), Timing("b", 1, 0.0, (1.0, 1.0)))


def test_garbage_collection_is_off_while_measuring_and_on_afterwards():
    states = []
    measure({"net": lambda: states.append(gc.isenabled())}, warmup=0, repeats=1)
    assert states == [True, False]
    assert gc.isenabled()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"repeats": 0}, "repeats: got 0"),
        ({"warmup": -1}, "warmup: got -1"),
        ({"batch_size": 0}, "batch_size: got 0"),
    ],
)
def test_numbers_out_of_range_are_refused(arguments, said):
    with pytest.raises(UserError, match=said):
        measure({"net": lambda: None}, **arguments)


def test_nothing_to_measure_is_refused():
    with pytest.raises(UserError, match="there are none"):
        measure({})

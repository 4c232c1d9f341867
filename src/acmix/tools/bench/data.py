"""``acmix bench data``: throughput of the input pipeline and of the training step, separately."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from time import perf_counter, process_time
from typing import NamedTuple

import numpy as np
from mindspore import nn

from acmix.config import Config, DataConfig
from acmix.data import create_dataset
from acmix.data.sharded import ShardedDataset
from acmix.errors import check
from acmix.tools.bench.data_report import DataReport
from acmix.tools.bench.machine import machine_facts
from acmix.tools.bench.reference_pipeline import comparable, references
from acmix.tools.training_step import LEARNING_RATE, configured_step
from acmix.utils.progress import ProgressLine
from acmix.utils.waiting import wait_for
from acmix.workflows.runs import build_model, set_up_runtime

WARMUP = 3
"""Batches before a measurement."""

BatchLoop = Callable[[], Generator[int, None, None]]
"""Starts a generator that processes a batch per step and yields its number of images."""

_TRAINING = "training"


class Rate(NamedTuple):
    """Images per second, and per second of a processor that was busy."""

    images: float
    per_core: float


@dataclass(frozen=True)
class Loop:
    """What is measured.

    Attributes:
        start: starts the work.
        processes: returns the process numbers of those that work for it beside this process.
    """

    start: BatchLoop
    processes: Callable[[], Sequence[int]] = tuple


def bench_data(
    config: Config, *, seconds: float = 5.0, rounds: int = 3, compare: bool = False
) -> DataReport:
    """Measure images per second of the input pipeline and of the training step.

    The pipeline runs with ``data.num_workers`` workers and with one. Images are not checked for
    corruption first.

    Args:
        config: configuration of a training run.
        compare: whether to measure the other kind of workers as well, and MindSpore's C++
            transforms of the same files.
        seconds: duration of each measurement.
        rounds: interleaved measurements of each.
    """
    set_up_runtime(config)
    data = replace(config.data, on_corrupt="unchecked")
    others = references(comparable(data)) if compare else {}
    dataset = create_dataset(data, "train", seed=config.seed)
    batch = next(iter(dataset.epoch(0)))
    model = build_model(config, len(dataset.classes))
    kind = dataset.kind_of_workers
    kinds = dict.fromkeys((kind, "threads", "processes") if compare else (kind,))
    loops = {
        _workers(count, each): _loading(
            replace(data, num_workers=count, workers_are=each), config.seed
        )
        for each in kinds
        for count in dict.fromkeys((data.num_workers, 1))
    }
    loops |= {name: Loop(start) for name, start in others.items()}
    loops[_TRAINING] = Loop(_training(config, model, batch))
    rates = measure_rates(loops, seconds=seconds, rounds=rounds, warmup=WARMUP)
    training = [rate.images for rate in rates.pop(_TRAINING)]
    return DataReport(
        environment=machine_facts(),
        network=config.network_name,
        batch_size=len(batch[0]),
        image_shape=batch[0].shape[1:],
        workers=_workers(data.num_workers, kind),
        seconds=seconds,
        pipelines={name: tuple(rate.images for rate in values) for name, values in rates.items()},
        per_core={name: tuple(rate.per_core for rate in values) for name, values in rates.items()},
        training=tuple(training),
    )


def _workers(count: int, kind: str) -> str:
    """Return a number of threads or processes as a phrase."""
    if count > 1:
        return f"{count} {kind}"
    return {"threads": "1 thread", "processes": "1 process"}[kind]


def measure_rates(
    loops: Mapping[str, Loop], *, seconds: float, rounds: int, warmup: int
) -> dict[str, tuple[Rate, ...]]:
    """Run each of ``loops`` for ``seconds`` per round; return the rates of each round.

    Args:
        loops: by name; each restarts in every round.
        seconds: duration of a measurement, which ends with a whole batch.
        rounds: measurements of each.
        warmup: batches before each measurement.

    Raises:
        UserError: a number is out of range.
    """
    for name, value in (("seconds", seconds), ("rounds", rounds)):
        check(value > 0, f"{name}: got {value}; give more than 0.")
    rates: dict[str, list[Rate]] = {name: [] for name in loops}
    with ProgressLine("measuring", rounds * len(loops), ticking=False) as line:
        for _ in range(rounds):
            for name, loop in loops.items():
                rates[name].append(_rate(loop, seconds, warmup))
                line.advance()
    return {name: tuple(values) for name, values in rates.items()}


def _rate(loop: Loop, seconds: float, warmup: int) -> Rate:
    # Closing ends the pipeline's threads, which would otherwise disturb the next measurement.
    with closing(loop.start()) as batches:
        for _ in range(warmup):
            next(batches)
        processes = loop.processes()
        images, busy, start = 0, _busy_seconds(processes), perf_counter()
        while True:
            images += next(batches)
            spent = perf_counter() - start
            if spent >= seconds:
                busy = _busy_seconds(processes) - busy
                return Rate(images / spent, images / busy if busy else 0.0)


def _busy_seconds(processes: Sequence[int]) -> float:
    """Return the time of processors that this process and others have used, in all threads."""
    ticks = 0
    for pid in processes:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])  # utime and stime, see proc(5)
    return process_time() + (ticks / os.sysconf("SC_CLK_TCK") if processes else 0)


def _loading(data: DataConfig, seed: int) -> Loop:
    """Return a loop that reads epoch after epoch."""
    dataset: ShardedDataset = create_dataset(data, "train", seed=seed)

    def load() -> Generator[int, None, None]:
        for epoch in count():
            for batch in dataset.epoch(epoch):
                yield len(batch[0])

    return Loop(load, lambda: dataset.worker_processes)


def _training(config: Config, model: nn.Cell, batch: tuple[np.ndarray, ...]) -> BatchLoop:
    """Return a loop of configured training steps on one batch."""
    step = configured_step(config, model)

    def train() -> Generator[int, None, None]:
        while True:
            wait_for(step([batch] * step.accumulate, LEARNING_RATE))
            yield len(batch[0]) * step.accumulate

    return train

"""``acmix bench data``: throughput of the input pipeline and of the training step, separately."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import replace
from itertools import count
from time import perf_counter

import numpy as np
from mindspore import nn

from acmix.config import Config, DataConfig
from acmix.data import create_dataset
from acmix.errors import check
from acmix.tools.bench.data_report import DataReport
from acmix.tools.bench.machine import machine_facts
from acmix.tools.training_step import LEARNING_RATE, configured_step
from acmix.utils.waiting import wait_for
from acmix.workflows.runs import build_model, set_up_runtime

WARMUP = 3
"""Batches before a measurement."""

BatchLoop = Callable[[], Generator[int, None, None]]
"""Starts a generator that processes a batch per step and yields its number of images."""

_TRAINING = "training"


def bench_data(config: Config, *, seconds: float = 5.0, rounds: int = 3) -> DataReport:
    """Measure images per second of the input pipeline and of the training step.

    The pipeline runs with ``data.num_workers`` threads and with one. Images are not checked for
    corruption first.

    Args:
        config: configuration of a training run.
        seconds: duration of each measurement.
        rounds: interleaved measurements of each.
    """
    set_up_runtime(config)
    data = replace(config.data, on_corrupt="unchecked")
    dataset = create_dataset(data, "train", seed=config.seed)
    batch = next(iter(dataset.epoch(0)))
    model = build_model(config, len(dataset.classes))
    loops: dict[str, BatchLoop] = {
        str(workers): _loading(replace(data, num_workers=workers), config.seed)
        for workers in dict.fromkeys((data.num_workers, 1))
    }
    loops[_TRAINING] = _training(config, model, batch)
    rates = measure_rates(loops, seconds=seconds, rounds=rounds, warmup=WARMUP)
    training = rates.pop(_TRAINING)
    return DataReport(
        environment=machine_facts(),
        network=config.network_name,
        batch_size=len(batch[0]),
        image_shape=batch[0].shape[1:],
        workers=data.num_workers,
        seconds=seconds,
        pipelines={int(workers): values for workers, values in rates.items()},
        training=training,
    )


def measure_rates(
    loops: Mapping[str, BatchLoop], *, seconds: float, rounds: int, warmup: int
) -> dict[str, tuple[float, ...]]:
    """Run each of ``loops`` for ``seconds`` per round; return images per second of each round.

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
    rates: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(rounds):
        for name, start_loop in loops.items():
            rates[name].append(_rate(start_loop, seconds, warmup))
    return {name: tuple(values) for name, values in rates.items()}


def _rate(start_loop: BatchLoop, seconds: float, warmup: int) -> float:
    # Closing ends the pipeline's threads, which would otherwise disturb the next measurement.
    with closing(start_loop()) as batches:
        for _ in range(warmup):
            next(batches)
        images, start = 0, perf_counter()
        while True:
            images += next(batches)
            spent = perf_counter() - start
            if spent >= seconds:
                return images / spent


def _loading(data: DataConfig, seed: int) -> BatchLoop:
    """Return a loop that reads epoch after epoch."""
    dataset = create_dataset(data, "train", seed=seed)

    def load() -> Generator[int, None, None]:
        for epoch in count():
            for batch in dataset.epoch(epoch):
                yield len(batch[0])

    return load


def _training(config: Config, model: nn.Cell, batch: tuple[np.ndarray, ...]) -> BatchLoop:
    """Return a loop of configured training steps on one batch."""
    step = configured_step(config, model)

    def train() -> Generator[int, None, None]:
        while True:
            wait_for(step([batch] * step.accumulate, LEARNING_RATE))
            yield len(batch[0]) * step.accumulate

    return train

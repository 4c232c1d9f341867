"""The input pipeline and the training step of a configuration, each measured alone."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from itertools import count

import numpy as np
from mindspore import nn

from acmix.config import Config, DataConfig
from acmix.data import create_dataset
from acmix.tools.bench.machine import machine_facts
from acmix.tools.bench.pipeline import PipelineReport, Work, measure_rates
from acmix.tools.training_step import LEARNING_RATE, configured_step
from acmix.utils.waiting import wait_for
from acmix.workflows.runs import build_model, set_up_runtime

WARMUP = 3
"""Batches before a measurement."""

_TRAINING = "training"


def bench_pipeline(config: Config, *, seconds: float = 5.0, rounds: int = 3) -> PipelineReport:
    """Measure how many images per second the training data can give, and the network take.

    The pipeline is measured with ``data.num_workers`` threads and with one. Images are not looked
    through for corrupt ones before.

    Args:
        config: of a training run.
        seconds: of each measurement.
        rounds: measurements of each, in turns.
    """
    set_up_runtime(config)
    data = replace(config.data, on_corrupt="unchecked")
    dataset = create_dataset(data, "train", seed=config.seed)
    batch = next(iter(dataset.epoch(0)))
    model = build_model(config, len(dataset.classes))
    works: dict[str, Work] = {
        str(workers): _loading(replace(data, num_workers=workers), config.seed)
        for workers in dict.fromkeys((data.num_workers, 1))
    }
    works[_TRAINING] = _training(config, model, batch)
    rates = measure_rates(works, seconds=seconds, rounds=rounds, warmup=WARMUP)
    training = rates.pop(_TRAINING)
    return PipelineReport(
        environment=machine_facts(),
        network=config.network_name,
        batch_size=len(batch[0]),
        image_shape=batch[0].shape[1:],
        workers=data.num_workers,
        seconds=seconds,
        pipelines={int(workers): values for workers, values in rates.items()},
        training=training,
    )


def _loading(data: DataConfig, seed: int) -> Work:
    """Epoch after epoch, as fast as the pipeline can."""
    dataset = create_dataset(data, "train", seed=seed)

    def load() -> Generator[int, None, None]:
        for epoch in count():
            for batch in dataset.epoch(epoch):
                yield len(batch[0])

    return load


def _training(config: Config, model: nn.Cell, batch: tuple[np.ndarray, ...]) -> Work:
    """Steps as configured, on one batch."""
    step = configured_step(config, model)

    def train() -> Generator[int, None, None]:
        while True:
            wait_for(step([batch] * step.accumulate, LEARNING_RATE))
            yield len(batch[0]) * step.accumulate

    return train

"""A worker process of ``acmix bench scaling``, started with ``python -m``."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from acmix.config import Config, load_config
from acmix.engine.checkpoint import training_state
from acmix.engine.profile import EXCHANGE, STEP, profile_training
from acmix.parallel import join
from acmix.tasks import get_task
from acmix.tools.bench.scaling_report import ScalingRun
from acmix.tools.training_step import LEARNING_RATE, configured_step
from acmix.utils.files import write_text
from acmix.workflows.runs import build_model, set_up_runtime


class _OneBatch:
    """Data set that repeats one batch, to exclude data loading from the measurement."""

    def __init__(self, batch: tuple[np.ndarray, ...]):
        self.batch = batch

    def __len__(self) -> int:
        return 1

    def epoch(self, epoch: int, skip_batches: int = 0) -> Iterator[tuple[np.ndarray, ...]]:
        """Yield the batch forever."""
        while True:
            yield self.batch


def measure_worker(config: Config, warmup: int, repeats: int) -> ScalingRun | None:
    """Train as one worker of a job; return the result on the first rank, None on others."""
    set_up_runtime(config)
    world = join()
    task = get_task(config.task)
    model = build_model(config, config.model.num_classes or task.benchmark.num_classes)
    step = configured_step(config, model, world)
    shape = (config.data.batch_size, *task.image_shape(config))
    rng = np.random.default_rng(0)
    images = rng.standard_normal(shape).astype(np.float32)
    profile = profile_training(
        step,
        _OneBatch((images, *task.random_targets(model, shape, rng))),
        epoch=0,
        learning_rate=LEARNING_RATE,
        state=training_state(step.network, step.optimizer, scaler=step.scaler),
        steps=repeats,
        warmup=warmup,
    )
    world.barrier()  # the launcher treats a rank that ends early as lost
    if not world.is_first:
        return None
    return ScalingRun(
        network=config.network_name,
        workers=world.size,
        batch_size=profile.images,
        exchanged_bytes=sum(4 * parameter.size for parameter in step.optimizer.parameters),
        steps=profile.seconds[STEP],
        exchanges=profile.seconds.get(EXCHANGE, ()),
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one worker."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument("config")
    parser.add_argument("overrides", nargs="*")
    parser.add_argument("--warmup", type=int)
    parser.add_argument("--repeats", type=int)
    parser.add_argument("--output", type=Path)
    options = parser.parse_intermixed_args(arguments)
    config = load_config(options.config, options.overrides)
    run = measure_worker(config, options.warmup, options.repeats)
    if run is not None:
        write_text(options.output, run.to_json())
    return 0


if __name__ == "__main__":
    sys.exit(main())

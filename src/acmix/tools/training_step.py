"""A training step to be measured or audited: as configured, or AdamW's on random targets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from mindspore import nn

from acmix.config import Config, OptimConfig
from acmix.engine import create_train_step
from acmix.engine.optim import create_optimizer
from acmix.engine.train_step import TrainStep
from acmix.parallel import World
from acmix.tasks import Task, get_task
from acmix.tools.bench.models import Prepare

LEARNING_RATE = 1e-6
"""Random targets, or one batch again and again, must not make a measured network diverge."""


def training_step(task: Task[Any, Any, Any], model: nn.Cell) -> Prepare:
    """Measure forward, backward and AdamW's update in float32, with the copy of the batch."""

    def prepare(images: np.ndarray) -> Callable[[], object]:
        targets = task.random_targets(model, images.shape, np.random.default_rng(0))
        network = task.benchmark_objective(model).train_network
        network.set_train(True)
        step = TrainStep(network, create_optimizer(network, OptimConfig(lr=LEARNING_RATE)))
        return lambda: step([(images, *targets)], LEARNING_RATE)

    return prepare


def configured_step(config: Config, model: nn.Cell, world: World | None = None) -> TrainStep:
    """Make the step that trains ``model`` as configured, ready to train.

    Args:
        config: the task, and how it is trained.
        model: as :func:`acmix.workflows.runs.build_model` makes it.
        world: the devices that train together; None for one.
    """
    objective = get_task(config.task).objective(config, model)
    step = create_train_step(objective.train_network, config, world)
    step.network.set_train(True)
    return step

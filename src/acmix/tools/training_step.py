"""The training step of a configuration, for benchmarks and audits."""

from __future__ import annotations

from mindspore import nn

from acmix.config import Config
from acmix.engine import create_train_step
from acmix.engine.train_step import TrainStep
from acmix.parallel import World
from acmix.tasks import get_task

LEARNING_RATE = 1e-6
"""Small, so that a network does not diverge on random targets or one repeated batch."""


def configured_step(config: Config, model: nn.Cell, world: World | None = None) -> TrainStep:
    """Create the configured training step of ``model``, in training mode.

    Args:
        config: configuration of the run.
        model: network from :func:`acmix.workflows.runs.build_model`.
        world: processes that train together; None for a single one.
    """
    objective = get_task(config.task).objective(config, model)
    step = create_train_step(objective.train_network, config, world)
    step.network.set_train(True)
    return step

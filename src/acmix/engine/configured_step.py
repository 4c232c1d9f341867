"""A training step as a configuration describes it."""

from __future__ import annotations

from mindspore import nn

from acmix.config import Config
from acmix.engine.optim import create_optimizer
from acmix.engine.precision import apply_mixed_precision, create_loss_scaler
from acmix.engine.train_step import TrainStep
from acmix.parallel import World


def create_train_step(network: nn.Cell, config: Config, world: World | None = None) -> TrainStep:
    """Make the step as configured: its precision, optimizer, accumulation and clipping.

    Args:
        network: an objective's train network.
        config: the sections ``optim`` and ``train`` are used.
        world: the devices that train together; None for one.
    """
    network = apply_mixed_precision(network, config.train.amp)
    return TrainStep(
        network,
        create_optimizer(network, config.optim),
        accumulate=config.train.accumulate,
        clip_norm=config.optim.clip_norm,
        scaler=create_loss_scaler(config.train),
        all_reduce=None if world is None else world.all_reduce_mean,
    )

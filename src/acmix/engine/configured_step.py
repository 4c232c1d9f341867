"""The training step of a configuration."""

from __future__ import annotations

from mindspore import nn

from acmix.config import Config
from acmix.engine.optim import create_optimizer
from acmix.engine.precision import apply_mixed_precision, create_loss_scaler
from acmix.engine.recompute import recompute_blocks
from acmix.engine.train_step import TrainStep
from acmix.parallel import World
from acmix.parallel.divisor import share_divisors


def create_train_step(network: nn.Cell, config: Config, world: World | None = None) -> TrainStep:
    """Create a step with the configured precision, recomputation, optimizer and clipping.

    Args:
        network: train network of an objective.
        config: the sections ``optim`` and ``train`` are used.
        world: the devices that train together; None for a single one.
    """
    share_divisors(network, world)
    network = apply_mixed_precision(network, config.train.amp, config.train.amp_dtype)
    if config.train.recompute:
        recompute_blocks(network)
    return TrainStep(
        network,
        create_optimizer(network, config.optim),
        accumulate=config.train.accumulate,
        clip_norm=config.optim.clip_norm,
        scaler=create_loss_scaler(config.train),
        all_reduce=None if world is None else world.all_reduce_mean,
    )

"""Learning rate of every optimizer step."""

from __future__ import annotations

import logging

import numpy as np

from acmix.config import Config, ScheduleConfig

logger = logging.getLogger(__name__)


def configured_learning_rates(config: Config, steps_per_epoch: int, workers: int) -> np.ndarray:
    """Return the rate of every step, scaled to the batch unless ``optim.lr_batch`` is null.

    Args:
        config: the sections ``optim``, ``schedule``, ``train`` and ``data`` are used.
        steps_per_epoch: optimizer steps of an epoch.
        workers: devices that train together.
    """
    batch_size, accumulate = config.data.batch_size, config.train.accumulate
    lr, lr_batch = config.optim.lr, config.optim.lr_batch
    global_batch = batch_size * accumulate * workers
    scale = config.optim.rate_scale(global_batch)
    logger.info(
        "A step takes %d images: data.batch_size=%d x train.accumulate=%d x %d worker(s). "
        "Learning rates are %s.",
        global_batch,
        batch_size,
        accumulate,
        workers,
        "those of the configuration (optim.lr_batch is null)"
        if lr_batch is None
        else f"those for batch {lr_batch}, scaled by {scale:g}",
    )
    total = config.train.steps or config.train.epochs * steps_per_epoch
    warmup = _warmup(config.schedule, steps_per_epoch)
    if warmup > total:
        logger.warning(
            "The warm-up of %d steps is longer than the run of %d: it ends with the run. "
            "Shorten it by schedule.warmup_epochs or schedule.warmup_steps.",
            warmup,
            total,
        )
    return learning_rates(config.schedule, lr, total, steps_per_epoch) * scale


def learning_rates(
    schedule: ScheduleConfig, base_lr: float, total: int, steps_per_epoch: int
) -> np.ndarray:
    r"""Return the learning rate of each step, float64 (total,).

    The warm-up rises linearly from ``warmup_lr``; the first step after it has ``base_lr``. It is no
    longer than the training. Then:

    - ``cosine`` falls along half a cosine; the step after the last one would have ``min_lr``.
      Loshchilov and Hutter, arXiv:1608.03983, Eq. 5, one period.
    - ``step`` multiplies by ``gamma`` at each milestone, an epoch.
    - ``constant`` keeps ``base_lr``.

    ``poly`` falls over all steps, from the first on, and its warm-up multiplies it, as in mmcv 1:

    .. math::
        \left(l_{min} + (l - l_{min}) (1 - t/T)^p\right) (r + (1 - r) \min(1, t/W))

    with :math:`l` = ``base_lr``, :math:`p` = ``power``, :math:`r` = ``warmup_lr`` / ``base_lr``,
    W steps of warm-up and T of training. In mmengine it begins after the warm-up.

    Args:
        schedule: the section ``schedule`` of the configuration.
        base_lr: learning rate at the end of the warm-up.
        total: optimizer steps of the training.
        steps_per_epoch: optimizer steps of an epoch.
    """
    warmup = min(_warmup(schedule, steps_per_epoch), total)
    steps = np.arange(total)
    if schedule.name == "poly":
        start = schedule.warmup_lr / base_lr
        risen = np.minimum(steps / warmup, 1) if warmup else 1
        return _poly(schedule, base_lr, steps) * (start + (1 - start) * risen)
    curve = {"cosine": _cosine, "step": _step, "constant": _constant}[schedule.name]
    rates = curve(schedule, base_lr, steps, warmup, steps_per_epoch)
    rising = schedule.warmup_lr + (base_lr - schedule.warmup_lr) * steps / max(warmup, 1)
    return np.where(steps < warmup, rising, rates)


def _warmup(schedule: ScheduleConfig, steps_per_epoch: int) -> int:
    return schedule.warmup_steps or round(schedule.warmup_epochs * steps_per_epoch)


def _poly(schedule: ScheduleConfig, base_lr: float, steps: np.ndarray) -> np.ndarray:
    left = (1 - steps / len(steps)) ** schedule.power
    return schedule.min_lr + (base_lr - schedule.min_lr) * left


def _cosine(
    schedule: ScheduleConfig, base_lr: float, steps: np.ndarray, warmup: int, steps_per_epoch: int
) -> np.ndarray:
    progress = (steps - warmup) / max(len(steps) - warmup, 1)
    return schedule.min_lr + (base_lr - schedule.min_lr) * (1 + np.cos(np.pi * progress)) / 2


def _step(
    schedule: ScheduleConfig, base_lr: float, steps: np.ndarray, warmup: int, steps_per_epoch: int
) -> np.ndarray:
    passed = np.searchsorted(schedule.milestones, steps // steps_per_epoch, side="right")
    return np.maximum(base_lr * schedule.gamma**passed, schedule.min_lr)


def _constant(
    schedule: ScheduleConfig, base_lr: float, steps: np.ndarray, warmup: int, steps_per_epoch: int
) -> np.ndarray:
    return np.full(len(steps), base_lr)

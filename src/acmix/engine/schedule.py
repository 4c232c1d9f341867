"""Learning rate of every optimizer step."""

from __future__ import annotations

import numpy as np

from acmix.config import ScheduleConfig


def learning_rates(
    schedule: ScheduleConfig, base_lr: float, epochs: int, steps_per_epoch: int
) -> np.ndarray:
    """Return the learning rate of each step, float64 (epochs * steps_per_epoch,).

    The warm-up rises linearly from ``warmup_lr`` towards ``base_lr``, which the first step after it
    has. Then ``cosine`` falls along half a cosine towards ``min_lr``, where the step after the last
    would be (Loshchilov and Hutter, arXiv:1608.03983, Eq. 5, one period); ``step`` multiplies by
    ``gamma`` at each milestone; ``constant`` stays.

    Args:
        schedule: the section ``schedule`` of the configuration.
        base_lr: learning rate at the end of the warm-up.
        epochs: length of the training.
        steps_per_epoch: optimizer steps of an epoch.
    """
    total = epochs * steps_per_epoch
    warmup = schedule.warmup_steps or round(schedule.warmup_epochs * steps_per_epoch)
    steps = np.arange(total)
    course = {"cosine": _cosine, "step": _step, "constant": _constant}[schedule.name]
    rates = course(schedule, base_lr, steps, warmup, steps_per_epoch)
    rising = schedule.warmup_lr + (base_lr - schedule.warmup_lr) * steps / max(warmup, 1)
    return np.where(steps < warmup, rising, rates)


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

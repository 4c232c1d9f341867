"""The training loop."""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from mindspore import nn
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from acmix.config import Config
from acmix.engine.checkpoint import Progress, read_checkpoint, training_state
from acmix.engine.ema import ExponentialMovingAverage
from acmix.engine.evaluate import Dataset, evaluate
from acmix.engine.meter import Meter
from acmix.engine.optim import create_optimizer
from acmix.engine.precision import apply_mixed_precision, create_loss_scaler
from acmix.engine.profile import profile_training
from acmix.engine.run_dir import RunDir
from acmix.engine.schedule import learning_rates
from acmix.engine.train_step import TrainStep
from acmix.errors import UserError, check
from acmix.tasks import Task
from acmix.utils.parameters import load_values

logger = logging.getLogger(__name__)

MAX_CONSECUTIVE_SKIPS = 20
"""Skipped steps in a row before training stops: a dynamic loss scale has fallen to 1 by then."""


@dataclass(frozen=True)
class FitResult:
    """What came out of :meth:`Trainer.fit`."""

    progress: Progress
    metrics: dict[str, float] = field(default_factory=dict)
    """Of the last evaluation."""
    seconds: float = 0.0
    """Wall time of this call."""


def create_train_step(network: nn.Cell, config: Config) -> TrainStep:
    """Make the step as configured: its precision, optimizer, accumulation and clipping.

    Args:
        network: a task's train network.
        config: the sections ``optim`` and ``train`` are used.
    """
    network = apply_mixed_precision(network, config.train.amp)
    return TrainStep(
        network,
        create_optimizer(network, config.optim),
        accumulate=config.train.accumulate,
        clip_norm=config.optim.clip_norm,
        scaler=create_loss_scaler(config.train),
    )


class Trainer:
    """Trains a task, evaluates it, logs and saves.

    ``metrics.jsonl`` gets a line every ``train.log_interval`` optimizer steps and at the end of
    every epoch: ``epoch`` (completed, a fraction within), ``step``, the task's losses (means since
    the line before), ``lr`` of the last step, ``grad_norm``, ``skipped`` (steps left out because of
    an overflow), ``scale`` (of the loss, under mixed precision), ``images_per_second``,
    ``seconds``; at the end of an epoch also the validation metrics, ``eval_seconds`` and
    ``scalars``. With ``train.ema_decay`` the moving average is evaluated.

    Args:
        task: what is trained.
        config: the sections ``optim``, ``schedule``, ``train`` and the seed are used; all is saved.
        run_dir: where the run is written.
        scalars: called at the end of every epoch; what it returns is logged under ``scalars``.
    """

    def __init__(
        self,
        task: Task,
        config: Config,
        run_dir: RunDir,
        scalars: Callable[[], dict[str, float]] | None = None,
    ):
        self.task = task
        self.config = config
        self.run_dir = run_dir
        self.scalars = scalars
        self.step = create_train_step(task.train_network, config)
        self.network, self.scaler = self.step.network, self.step.scaler
        self.ema = None
        if config.train.ema_decay is not None:
            self.ema = ExponentialMovingAverage(self.network, config.train.ema_decay)
        self.state = training_state(self.network, self.step.optimizer, self.ema, self.scaler)

    def fit(
        self, train_data: Dataset, val_data: Dataset | None = None, resume: str | Path | None = None
    ) -> FitResult:
        """Train up to ``train.epochs``.

        Args:
            train_data: batches for the train network; the last ``len % accumulate`` of an epoch
                are left out.
            val_data: batches for the metric; None: no evaluation and no best checkpoint.
            resume: None for a new run, ``"auto"`` to go on with the newest checkpoint of the run
                folder (or to start if there is none), or a checkpoint file. A resumed run ends
                with the same weights, optimizer state and metrics as an uninterrupted one.

        Raises:
            UserError: the folder holds a run and ``resume`` is None; the checkpoint does not fit;
                there are fewer batches than ``train.accumulate``; the loss is not finite.
        """
        start = time.perf_counter()
        train = self.config.train
        steps_per_epoch = len(train_data) // train.accumulate
        check(
            steps_per_epoch > 0,
            f"An epoch has {len(train_data)} batches, fewer than train.accumulate="
            f"{train.accumulate}; lower it or data.batch_size.",
        )
        rates = self._learning_rates(steps_per_epoch)
        progress = self._begin(resume, steps_per_epoch)
        if self.config.profile and progress.epoch < train.epochs:
            self._profile(train_data, progress.epoch, rates[progress.step])
        metrics: dict[str, float] = {}
        meter = Meter(self.task.loss_names)
        with logging_redirect_tqdm():
            for epoch in range(progress.epoch, train.epochs):
                record = self._train_epoch(epoch, train_data, rates, steps_per_epoch, meter)
                progress = replace(progress, epoch=epoch + 1, step=record["step"])
                is_last = progress.epoch == train.epochs
                if val_data and (is_last or progress.epoch % train.eval_interval == 0):
                    metrics, seconds = self._evaluate(val_data)
                    record |= metrics | {"eval_seconds": seconds}
                    progress = self._with_best(progress, metrics)
                if self.scalars is not None:
                    record["scalars"] = self.scalars()
                self._log(record)
                self.run_dir.checkpoints.save(self.state, progress)
        return FitResult(progress, metrics, time.perf_counter() - start)

    def _learning_rates(self, steps_per_epoch: int) -> np.ndarray:
        """Return the rate of every step, scaled to the batch if ``optim.lr_batch`` says so."""
        config = self.config
        rates = learning_rates(
            config.schedule, config.optim.lr, config.train.epochs, steps_per_epoch
        )
        if config.optim.lr_batch is None:
            return rates
        batch = config.data.batch_size * config.train.accumulate
        scale = batch / config.optim.lr_batch
        logger.info(
            "Learning rates are those for batch %d, scaled by %g to batch %d.",
            config.optim.lr_batch,
            scale,
            batch,
        )
        return rates * scale

    def _begin(self, resume: str | Path | None, steps_per_epoch: int) -> Progress:
        """Prepare the run folder, and take up where the checkpoint ended if there is one."""
        progress = Progress(seed=self.config.seed, steps_per_epoch=steps_per_epoch)
        folder = self.run_dir.checkpoints
        path = folder.to_resume() if resume == "auto" else Path(resume) if resume else None
        if resume != "auto" and (path is None or path.parent.resolve() != folder.path.resolve()):
            self.run_dir.check_unused()
        if path is not None:
            tensors, saved = read_checkpoint(path)
            for name, remedy in (("seed", "seed"), ("steps_per_epoch", "data.batch_size")):
                before, now = getattr(saved, name), getattr(progress, name)
                check(
                    before == now,
                    f"{path} was made with {name}={before}, now it is {now}; to resume set "
                    f"{remedy} and the data as they were.",
                )
            load_values(self.state, tensors, str(path))
            progress = saved
            logger.info("Resumed %s after epoch %d.", path, progress.epoch)
        self.run_dir.start(self.config.to_yaml(), progress.step)
        return progress

    def _profile(self, data: Dataset, epoch: int, learning_rate: float) -> None:
        """Measure the parts of a step, print the table and leave the timeline in the folder."""
        self.network.set_train(True)
        profile = profile_training(self.step, data, epoch, learning_rate, self.state, self.ema)
        profile.write_trace(self.run_dir.profile_file)
        logger.info(
            "%s\nTimeline for chrome://tracing: %s", profile.render(), self.run_dir.profile_file
        )

    def _train_epoch(
        self, epoch: int, data: Dataset, rates: np.ndarray, steps_per_epoch: int, meter: Meter
    ) -> dict[str, Any]:
        """Train one epoch, log in between, and return the record of its end."""
        train = self.config.train
        self.network.set_train(True)
        meter.start()
        batches = iter(data.epoch(epoch))
        # zip of one iterator with itself: groups of `accumulate`, an incomplete one is dropped.
        groups = zip(*[batches] * train.accumulate, strict=False)
        bar = tqdm(
            groups,
            f"epoch {epoch + 1}/{train.epochs}",
            steps_per_epoch,
            leave=False,
            disable=not sys.stderr.isatty(),
        )
        record: dict[str, Any] = {}
        for i, group in enumerate(bar, start=1):
            step = epoch * steps_per_epoch + i
            result = self.step(group, rates[step - 1])
            if self.ema is not None:
                self.ema.update()
            meter.add(result, sum(len(batch[0]) for batch in group))
            if i % train.log_interval == 0 or i == steps_per_epoch:
                record = {"epoch": step / steps_per_epoch, "step": step, "lr": rates[step - 1]}
                record |= meter.flush()
                if self.scaler is not None:
                    record["scale"] = float(self.scaler.scale_value.asnumpy())
                self._check_healthy(record, meter)
                if i < steps_per_epoch:
                    self._log(record)
        return record

    def _check_healthy(self, record: dict[str, Any], meter: Meter) -> None:
        loss = record[self.task.loss_names[0]]
        if math.isfinite(loss) and meter.consecutive_skips <= MAX_CONSECUTIVE_SKIPS:
            return
        what = f"the loss is {loss}"
        if math.isfinite(loss):
            what = f"the gradient was not finite {meter.consecutive_skips} times in a row"
        good = self.run_dir.checkpoints.latest() or "none yet"
        raise UserError(
            f"Training diverged by step {record['step']} (lr={record['lr']:.3g}): {what}. "
            f"Last good checkpoint: {good}. Lower optim.lr, lengthen schedule.warmup_epochs, set "
            "optim.clip_norm, or train with train.amp=O0."
        )

    def _evaluate(self, data: Dataset) -> tuple[dict[str, float], float]:
        start = time.perf_counter()
        if self.ema is None:
            metrics = evaluate(self.task, data).compute()
        else:
            with self.ema.applied():
                metrics = evaluate(self.task, data).compute()
        return metrics, time.perf_counter() - start

    def _with_best(self, progress: Progress, metrics: dict[str, float]) -> Progress:
        value = metrics[self.task.monitor]
        if progress.best is None or value > progress.best:
            return replace(progress, best=value, best_epoch=progress.epoch)
        return progress

    def _log(self, record: dict[str, Any]) -> None:
        self.run_dir.log(record)
        shown = {name: value for name, value in record.items() if isinstance(value, (int, float))}
        logger.info("  ".join(f"{name} {value:.5g}" for name, value in shown.items()))

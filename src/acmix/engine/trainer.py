"""The training loop."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from mindspore import Tensor
from tqdm.contrib.logging import logging_redirect_tqdm

from acmix.config import Config
from acmix.engine.checkpoint import Progress, training_state
from acmix.engine.configured_step import create_train_step
from acmix.engine.ema import ExponentialMovingAverage
from acmix.engine.evaluate import Dataset, evaluate
from acmix.engine.grouping import Group, batches_of_steps, with_progress_bar
from acmix.engine.interruption import Interruption
from acmix.engine.meter import Meter
from acmix.engine.objective import Objective
from acmix.engine.profile import profile_training
from acmix.engine.resume import broadcast_state, resume_run
from acmix.engine.run_dir import RunDir
from acmix.engine.schedule import configured_learning_rates
from acmix.engine.train_step import StepResult
from acmix.errors import UserError, check
from acmix.parallel import World

logger = logging.getLogger(__name__)

MAX_CONSECUTIVE_SKIPS = 20
"""Limit of skipped steps in a row: a dynamic loss scale has fallen to 1 by then."""


@dataclass(frozen=True)
class FitResult:
    """Result of :meth:`Trainer.fit`."""

    progress: Progress
    metrics: dict[str, float] = field(default_factory=dict)
    """Of the last evaluation."""
    seconds: float = 0.0
    """Wall time of this call."""
    stopped_by: str | None = None
    """Name of the signal that ended training before its last epoch."""


class Trainer:
    """Trains an objective, evaluates it, logs and saves.

    ``metrics.jsonl`` gets a line every ``train.log_interval`` optimizer steps, with every
    checkpoint and at the end of every epoch. Its keys:

    - ``epoch``: completed epochs, with a fraction inside an epoch; ``step``
    - the losses: means since the previous line, over all devices
    - ``lr`` of the last step; ``grad_norm``
    - ``skipped``: steps skipped because loss or gradient were not finite
    - ``scale`` of the loss, under mixed precision
    - ``images_per_second`` of all devices; ``seconds``
    - at the end of an epoch: the validation metrics, ``eval_seconds`` and ``scalars``

    With ``train.ema_decay`` the moving average is evaluated.

    SIGTERM and SIGINT end training after a complete step, with a checkpoint to resume from.

    Args:
        objective: networks, losses and metric to train.
        config: the sections ``optim``, ``schedule``, ``train`` and the seed are used; all is saved.
        run_dir: folder of the run.
        scalars: called at the end of every epoch; its result is logged under ``scalars``.
        world: the devices that train together. Each has a Trainer and its own shard of the data.
            Only the Trainer of the first device writes.
    """

    def __init__(
        self,
        objective: Objective,
        config: Config,
        run_dir: RunDir,
        scalars: Callable[[], dict[str, float]] | None = None,
        world: World | None = None,
    ):
        self.objective = objective
        self.config = config
        self.run_dir = run_dir
        self.scalars = scalars
        self.world = world or World()
        self.step = create_train_step(objective.train_network, config, self.world)
        self.network, self.scaler = self.step.network, self.step.scaler
        self.ema = None
        if config.train.ema_decay is not None:
            self.ema = ExponentialMovingAverage(self.network, config.train.ema_decay)
        self.state = training_state(self.network, self.step.optimizer, self.ema, self.scaler)
        self.interruption = Interruption()
        self._stopping = False
        self._previous_stop: Tensor | float = 0.0

    def fit(
        self, train_data: Dataset, val_data: Dataset | None = None, resume: str | Path | None = None
    ) -> FitResult:
        """Train up to ``train.epochs``.

        Args:
            train_data: batches for the train network; the last ``len % accumulate`` of an epoch
                are left out.
            val_data: batches for the metric; None: no evaluation and no best checkpoint.
            resume: None for a new run, a checkpoint file, or ``"auto"``: the newest checkpoint of
                the run folder, else a new run. A resumed run ends with the same weights, optimizer
                state and metrics as an uninterrupted one. On another number of devices it
                continues after the images that were processed.

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
        rates = configured_learning_rates(self.config, steps_per_epoch, self.world.size)
        progress = self._initialise(resume, steps_per_epoch)
        if self.config.profile and progress.epoch < train.epochs:
            self._profile(train_data, progress.epoch, rates[progress.epoch * steps_per_epoch])
        metrics: dict[str, float] = {}
        meter = Meter(self.objective.loss_names, self.world.size)
        with logging_redirect_tqdm(), self.interruption:
            while progress.epoch < train.epochs and not self._stopping:
                progress, record = self._train_epoch(progress, train_data, rates, meter)
                if progress.position:  # stopped inside the epoch
                    break
                is_last = progress.epoch == train.epochs
                if val_data and (is_last or progress.epoch % train.eval_interval == 0):
                    metrics, seconds = self._evaluate(val_data, progress.step)
                    record |= metrics | {"eval_seconds": seconds}
                    progress = self._with_best(progress, metrics)
                if self.scalars is not None:
                    record["scalars"] = self.scalars()
                self._log(record)
                self._save(progress)
        stopped = None
        if progress.epoch < train.epochs:
            stopped = self.interruption.signal or "a signal to another rank"
        return FitResult(progress, metrics, time.perf_counter() - start, stopped)

    @property
    def _global_batch(self) -> int:
        """Images of one step."""
        return self.config.data.batch_size * self.config.train.accumulate * self.world.size

    def _initialise(self, resume: str | Path | None, steps_per_epoch: int) -> Progress:
        """Prepare the run on the first device and copy its state to the others."""
        self.world.check_equal(
            "The configuration",
            [repr((self.config.to_yaml(), steps_per_epoch)).encode()],
            "start all of them with the same files and overrides",
        )
        progress = Progress(
            seed=self.config.seed, steps_per_epoch=steps_per_epoch, workers=self.world.size
        )
        if self.world.is_first:
            progress = resume_run(self.run_dir, resume, self.state, progress, self._global_batch)
        progress = Progress(**self.world.broadcast(asdict(progress)))
        broadcast_state(self.state, self.world)
        self.step.statistics.keep()
        if self.world.is_first:
            self.run_dir.initialise(self.config.to_yaml(), progress.step)
        return progress

    def _profile(self, data: Dataset, epoch: int, learning_rate: float) -> None:
        """Measure the parts of a step, print the table and write the timeline."""
        self.network.set_train(True)
        profile = profile_training(self.step, data, epoch, learning_rate, self.state, self.ema)
        self.step.statistics.keep()
        if not self.world.is_first:
            return
        profile.write_trace(self.run_dir.profile_file)
        logger.info(
            "%s\nTimeline for chrome://tracing: %s", profile.render(), self.run_dir.profile_file
        )

    def _train_epoch(
        self, progress: Progress, data: Dataset, rates: np.ndarray, meter: Meter
    ) -> tuple[Progress, dict[str, Any]]:
        """Train an epoch or the rest of it.

        Returns:
            The progress, inside the epoch if training must stop there, and the record of the last
            step.
        """
        train, epoch, steps = self.config.train, progress.epoch, progress.steps_per_epoch
        done = progress.position // self._global_batch
        self.network.set_train(True)
        meter.start()
        record: dict[str, Any] = {}
        batches = data.epoch(epoch, done * train.accumulate)
        groups = batches_of_steps(batches, train.accumulate)
        shown = with_progress_bar(groups, f"epoch {epoch + 1}/{train.epochs}", steps, done)
        for i, group in enumerate(shown, start=done + 1):
            rate = rates[epoch * steps + i - 1]
            result = self._take_step(group, rate)
            progress = replace(progress, step=progress.step + 1, position=i * self._global_batch)
            meter.add(progress.step, rate, result, sum(len(batch[0]) for batch in group))
            self._stopping = self._must_stop(result)
            inside = i < steps
            saves = train.save_interval is not None and i % train.save_interval == 0
            if not inside or self._stopping or saves or i % train.log_interval == 0:
                record = {"epoch": epoch + i / steps, "step": progress.step, "lr": rate}
                record = self._flush(meter, record)
                if inside:  # fit logs and saves at the end of an epoch
                    self._log(record)
            if inside and (saves or self._stopping):
                self._save(progress)
            if inside and self._stopping:
                return progress, record
        return replace(progress, epoch=epoch + 1, position=0), record

    def _take_step(self, group: Group, rate: float) -> StepResult:
        """Update the parameters and their moving average."""
        self.step.stop = float(self.interruption.signal is not None)
        result = self.step(group, rate)
        if self.ema is not None:
            self.ema.update()
        return result

    def _must_stop(self, result: StepResult) -> bool:
        """Whether to stop after this step; the same on all devices."""
        if self.world.size == 1:
            return self.interruption.signal is not None
        # The previous step's value is ready; reading this one's would make the device idle.
        previous, self._previous_stop = self._previous_stop, result.stop
        return float(previous) > 0

    def _flush(self, meter: Meter, record: dict[str, Any]) -> dict[str, Any]:
        """Complete ``record`` with the means since the previous line.

        Raises:
            UserError: training has diverged.
        """
        record |= meter.flush()
        if self.scaler is not None:
            record["scale"] = float(self.scaler.scale_value.asnumpy())
        reason = self._divergence(meter, record)
        if reason is not None:
            # Broadcast by the first device: on other machines the folder may be empty.
            latest = self.run_dir.checkpoints.latest() if self.world.is_first else None
            good = self.world.broadcast(latest and str(latest)) or "none yet"
            raise UserError(
                f"Training diverged {reason}. Last good checkpoint: {good}. Lower optim.lr, "
                "lengthen schedule.warmup_epochs, set optim.clip_norm, train with train.amp=O0, or "
                "leave such steps out with train.on_nonfinite=skip."
            )
        return record

    def _divergence(self, meter: Meter, record: dict[str, Any]) -> str | None:
        """Return where and how training has diverged, or None."""
        if meter.nonfinite is not None and self.config.train.on_nonfinite == "stop":
            return "at step {} (lr={:.3g}): the loss is {}".format(*meter.nonfinite)
        if meter.consecutive_skips > MAX_CONSECUTIVE_SKIPS:
            return (
                f"by step {record['step']} (lr={record['lr']:.3g}): loss or gradient were not "
                f"finite {meter.consecutive_skips} times in a row"
            )
        return None

    def _evaluate(self, data: Dataset, step: int) -> tuple[dict[str, float], float]:
        """Return the metrics and the seconds of an evaluation."""
        start = time.perf_counter()
        try:
            with self.ema.applied() if self.ema is not None else nullcontext():
                metric = evaluate(self.objective, data, self.world)
        except UserError as error:
            raise UserError(
                f"{error} This was the evaluation after step {step}; --resume auto goes on from "
                "the checkpoint before it, if there is one."
            ) from error
        # One device computes: COCO's evaluation takes minutes and gives the same on all.
        metrics = self.world.broadcast(metric.compute() if self.world.is_first else None)
        return metrics, time.perf_counter() - start

    def _with_best(self, progress: Progress, metrics: dict[str, float]) -> Progress:
        value = metrics[self.objective.monitor]
        if progress.best is None or value > progress.best:
            return replace(progress, best=value, best_epoch=progress.epoch)
        return progress

    def _save(self, progress: Progress) -> None:
        if self.world.is_first:
            self.run_dir.checkpoints.save(self.state, progress)

    def _log(self, record: dict[str, Any]) -> None:
        if self.world.is_first:
            self.run_dir.log(record)
        shown = {name: value for name, value in record.items() if isinstance(value, (int, float))}
        logger.info("  ".join(f"{name} {value:.5g}" for name, value in shown.items()))

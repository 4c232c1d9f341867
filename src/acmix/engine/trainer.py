"""The training loop."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from mindspore import Tensor
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from acmix.config import Config
from acmix.engine.checkpoint import Progress, training_state
from acmix.engine.configured_step import create_train_step
from acmix.engine.ema import ExponentialMovingAverage
from acmix.engine.evaluate import Dataset, evaluate
from acmix.engine.interruption import Interruption
from acmix.engine.meter import Meter
from acmix.engine.objective import Objective
from acmix.engine.profile import profile_training
from acmix.engine.resume import broadcast_state, resume_run
from acmix.engine.run_dir import RunDir
from acmix.engine.schedule import learning_rates
from acmix.engine.train_step import StepResult
from acmix.errors import UserError, check
from acmix.parallel import World

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
    stopped_by: str | None = None
    """What ended training before its last epoch: the name of a signal."""


class Trainer:
    """Trains an objective, evaluates it, logs and saves.

    ``metrics.jsonl`` gets a line every ``train.log_interval`` optimizer steps of an epoch, with
    every checkpoint and at the end of every epoch: ``epoch`` (completed, a fraction within),
    ``step``, the losses (means since the line before, over all devices), ``lr`` of the last step,
    ``grad_norm``, ``skipped`` (steps left out because loss or gradient were not finite),
    ``scale`` (of the loss, under mixed precision), ``images_per_second`` of all devices,
    ``seconds``; at the end of an epoch also the validation metrics, ``eval_seconds`` and
    ``scalars``. With ``train.ema_decay`` the moving average is evaluated.

    SIGTERM and SIGINT end training after a step that is complete, with a checkpoint from which it
    can be resumed.

    Args:
        objective: what is trained.
        config: the sections ``optim``, ``schedule``, ``train`` and the seed are used; all is saved.
        run_dir: where the run is written.
        scalars: called at the end of every epoch; what it returns is logged under ``scalars``.
        world: the devices that train together. Each has a Trainer, of which that of the first
            device writes, and its own shard of the data.
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
        self._agreed_to_stop = False
        self._last_stop: Tensor | float = 0.0

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
                with the same weights, optimizer state and metrics as an uninterrupted one; on
                another number of devices it goes on behind the images that were seen.

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
            self._profile(train_data, progress.epoch, rates[progress.epoch * steps_per_epoch])
        metrics: dict[str, float] = {}
        meter = Meter(self.objective.loss_names, self.world.size)
        with logging_redirect_tqdm(), self.interruption:
            while progress.epoch < train.epochs and not self._agreed_to_stop:
                progress, record = self._train_epoch(progress, train_data, rates, meter)
                if progress.position:  # stopped inside
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

    def _learning_rates(self, steps_per_epoch: int) -> np.ndarray:
        """Return the rate of every step, scaled to the batch if ``optim.lr_batch`` says so."""
        config = self.config
        rates = learning_rates(
            config.schedule, config.optim.lr, config.train.epochs, steps_per_epoch
        )
        scale = config.optim.rate_scale(self._global_batch)
        logger.info(
            "A step takes %d images: data.batch_size=%d x train.accumulate=%d x %d worker(s). "
            "Learning rates are %s.",
            self._global_batch,
            config.data.batch_size,
            config.train.accumulate,
            self.world.size,
            "those of the configuration (optim.lr_batch is null)"
            if config.optim.lr_batch is None
            else f"those for batch {config.optim.lr_batch}, scaled by {scale:g}",
        )
        return rates * scale

    def _begin(self, resume: str | Path | None, steps_per_epoch: int) -> Progress:
        """Take up the run on the first device and let the others follow."""
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
        """Measure the parts of a step, print the table and leave the timeline in the folder."""
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
        """Train an epoch or what is left of it.

        Returns:
            The progress, inside of the epoch if training is to stop there, and the record of the
            last step.
        """
        train, epoch, steps = self.config.train, progress.epoch, progress.steps_per_epoch
        done = progress.position // self._global_batch
        self.network.set_train(True)
        meter.start()
        record: dict[str, Any] = {}
        groups = self._groups(data.epoch(epoch, done * train.accumulate), epoch, done, steps)
        for i, group in enumerate(groups, start=done + 1):
            rate = rates[epoch * steps + i - 1]
            self.step.stop = float(self.interruption.signal is not None)
            result = self.step(group, rate)
            if self.ema is not None:
                self.ema.update()
            progress = replace(progress, step=progress.step + 1, position=i * self._global_batch)
            meter.add(progress.step, rate, result, sum(len(batch[0]) for batch in group))
            self._agreed_to_stop = self._agreed_to_stop or self._stops(result)
            saves = train.save_interval is not None and i % train.save_interval == 0
            stops = self._agreed_to_stop and i < steps
            if i == steps or i % train.log_interval == 0 or saves or stops:
                record = {"epoch": epoch + i / steps, "step": progress.step, "lr": rate}
                record = self._flush(meter, record)
            if i < steps and record.get("step") == progress.step:
                self._log(record)
            if i < steps and (saves or stops):
                self._save(progress)
            if stops:
                return progress, record
        return replace(progress, epoch=epoch + 1, position=0), record

    def _groups(
        self, batches: Iterator[tuple[np.ndarray, ...]], epoch: int, done: int, steps: int
    ) -> Iterator[tuple[tuple[np.ndarray, ...], ...]]:
        """Iterate over the batches of each step, with a progress bar on terminals."""
        # zip of one iterator with itself: groups of `accumulate`, an incomplete one is dropped.
        groups = zip(*[iter(batches)] * self.config.train.accumulate, strict=False)
        return iter(
            tqdm(
                groups,
                f"epoch {epoch + 1}/{self.config.train.epochs}",
                steps,
                initial=done,
                leave=False,
                disable=not sys.stderr.isatty(),
            )
        )

    def _stops(self, result: StepResult) -> bool:
        """Whether to stop after this step, the same answer on all devices."""
        if self.world.size == 1:
            return self.interruption.signal is not None
        # That of the step before is ready: reading this one's would have the device wait for us.
        before, self._last_stop = self._last_stop, result.stop
        return float(before) > 0

    def _flush(self, meter: Meter, record: dict[str, Any]) -> dict[str, Any]:
        """Add to ``record`` what happened since the last line; see that training may go on.

        Raises:
            UserError: it may not.
        """
        record |= meter.flush()
        if self.scaler is not None:
            record["scale"] = float(self.scaler.scale_value.asnumpy())
        what = None
        if meter.nonfinite is not None and self.config.train.on_nonfinite == "stop":
            what = "at step {} (lr={:.3g}): the loss is {}".format(*meter.nonfinite)
        elif meter.consecutive_skips > MAX_CONSECUTIVE_SKIPS:
            what = (
                f"by step {record['step']} (lr={record['lr']:.3g}): loss or gradient were not "
                f"finite {meter.consecutive_skips} times in a row"
            )
        if what is not None:
            # Of the first device: on other machines the folder may be empty.
            latest = self.run_dir.checkpoints.latest() if self.world.is_first else None
            good = self.world.broadcast(latest and str(latest)) or "none yet"
            raise UserError(
                f"Training diverged {what}. Last good checkpoint: {good}. Lower optim.lr, lengthen "
                "schedule.warmup_epochs, set optim.clip_norm, train with train.amp=O0, or leave "
                "such steps out with train.on_nonfinite=skip."
            )
        return record

    def _evaluate(self, data: Dataset, step: int) -> tuple[dict[str, float], float]:
        start = time.perf_counter()
        try:
            with self.ema.applied() if self.ema is not None else nullcontext():
                metric = evaluate(self.objective, data, self.world)
        except UserError as error:
            raise UserError(
                f"{error} This was the evaluation after step {step}; --resume auto goes on from "
                "the checkpoint before it, if there is one."
            ) from error
        # One device computes: COCO's evaluation takes minutes, and all of them the same.
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

"""The training loop."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from acmix.config import Config
from acmix.engine.checkpoint import Progress, training_state
from acmix.engine.checkpoint_folder import file_name
from acmix.engine.configured_step import create_train_step
from acmix.engine.console import TrainingConsole
from acmix.engine.convergence import check_convergence
from acmix.engine.ema import ExponentialMovingAverage
from acmix.engine.evaluate import Dataset
from acmix.engine.fit_result import FitResult
from acmix.engine.grouping import Group, batches_of_steps
from acmix.engine.identity import check_same_run
from acmix.engine.meter import Meter
from acmix.engine.milestones import Milestones
from acmix.engine.objective import Metric, Objective
from acmix.engine.profile import profile_training
from acmix.engine.resume import broadcast_state, resume_run
from acmix.engine.run_dir import RunDir
from acmix.engine.schedule import configured_learning_rates
from acmix.engine.stopping import Evaluation, Stopping
from acmix.engine.train_step import StepResult
from acmix.errors import UserError, check
from acmix.parallel import World
from acmix.utils.activity import doing
from acmix.utils.interruption import Interrupted, Interruption

logger = logging.getLogger(__name__)


class Trainer:
    """Trains an objective, evaluates it, logs and saves.

    Milestones, see :class:`acmix.engine.milestones.Milestones`, are the ends of epochs, or every
    ``train.eval_steps`` steps. ``metrics.jsonl`` gets a line every ``train.log_interval`` optimizer
    steps, with every checkpoint of ``train.save_interval`` and at every milestone. Its keys:

    - ``epoch``: completed epochs, with a fraction inside an epoch; ``step``
    - the losses: means since the previous line, over all devices
    - ``lr`` of the last step; ``grad_norm``
    - ``skipped``: steps skipped because loss or gradient were not finite
    - ``scale`` of the loss, under mixed precision
    - ``images_per_second`` of all devices; ``seconds``
    - at a milestone: ``scalars``; after an evaluation the validation metrics and ``eval_seconds``

    With ``train.ema_decay`` the moving average is evaluated. SIGTERM, Ctrl-C and SIGHUP end
    training where nothing is lost, see :class:`acmix.engine.stopping.Stopping`.

    Args:
        objective: networks, losses and metric to train.
        config: the sections ``optim``, ``schedule``, ``train`` and the seed are used; all is saved.
        run_dir: folder of the run.
        scalars: called at every milestone; its result is logged under ``scalars``.
        about: what the run learns from, see :func:`acmix.engine.identity.describe_run`. It is part
            of every checkpoint, and compared with that of a checkpoint to resume.
        world: the devices that train together. Each has a Trainer and its own shard of the data.
            Only the Trainer of the first device writes.
        interruption: receives signals before training, too; None makes one.
        headline: titles of the metrics that the console shows, by name; None for the monitored one.
        evaluated: called on the first device with every metric, when its line is written.
    """

    def __init__(
        self,
        objective: Objective,
        config: Config,
        run_dir: RunDir,
        scalars: Callable[[], dict[str, float]] | None = None,
        world: World | None = None,
        about: Mapping[str, Any] | None = None,
        interruption: Interruption | None = None,
        headline: Mapping[str, str] | None = None,
        evaluated: Callable[[Metric], None] | None = None,
    ):
        self.objective = objective
        self.config = config
        self.run_dir = run_dir
        self.scalars = scalars
        self.world = world or World()
        self.about = dict(about or {})
        self.headline = headline or {objective.monitor: objective.monitor}
        self.evaluated = evaluated
        self.step = create_train_step(objective.train_network, config, self.world)
        self.network, self.scaler = self.step.network, self.step.scaler
        self.ema = None
        if config.train.ema_decay is not None:
            self.ema = ExponentialMovingAverage(self.network, config.train.ema_decay)
        self.state = training_state(self.network, self.step.optimizer, self.ema, self.scaler)
        self.stopping = Stopping(self.world, interruption or Interruption())
        self._meter = Meter(objective.loss_names, self.world.size)
        self._metrics: dict[str, float] = {}

    def fit(
        self, train_data: Dataset, val_data: Dataset | None = None, resume: str | Path | None = None
    ) -> FitResult:
        """Train up to ``train.steps``, or ``train.epochs`` if that is null.

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
            Interrupted: a signal came before the first step was complete.
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
        milestones = Milestones(train, rates, self._global_batch)
        with self.stopping.interruption:
            with self.stopping.until_begun():
                doing("preparing the run")
                progress = self._initialise(resume, steps_per_epoch)
                if self.config.profile and not milestones.is_end(progress):
                    self._profile(train_data, progress, milestones.next_rate(progress))
            if milestones.is_end(progress) and progress.is_concluded:
                logger.info("Nothing is left to train: %s.", milestones.left(progress))
            self._console = TrainingConsole(
                milestones, progress, self.headline, self.world, self.stopping.interruption
            )
            with self._console:
                progress = self._train(progress, train_data, val_data, milestones)
        is_whole = milestones.is_end(progress) and progress.is_concluded
        stopped = None if is_whole else self.stopping.reason
        return FitResult(progress, self._metrics, time.perf_counter() - start, stopped)

    def _train(
        self,
        progress: Progress,
        train_data: Dataset,
        val_data: Dataset | None,
        milestones: Milestones,
    ) -> Progress:
        """Train to the end or until a signal; return how far."""
        try:
            if not progress.is_concluded:  # the run ended during an evaluation
                progress = self._conclude(progress, val_data, milestones)
            self._start_clocks()
            while not (milestones.is_end(progress) or self.stopping.now):
                progress = self._train_stretch(progress, train_data, milestones)
                if not progress.pending:
                    continue
                self._save(progress)  # first: no error of the evaluation may cost the steps
                if not self.stopping.now:
                    progress = self._conclude(progress, val_data, milestones)
                    self._start_clocks()
        except Interrupted:
            if progress.is_concluded:  # before the first step
                raise
        return progress

    def _start_clocks(self) -> None:
        """Leave evaluation and saving out of the speed of training."""
        self._meter.start()
        self._console.resume()

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
        meter: dict[str, Any] = {}
        if self.world.is_first:
            progress, meter = resume_run(
                self.run_dir,
                resume,
                self.state,
                progress,
                self._global_batch,
                lambda saved, path: check_same_run(saved, self.about, self.config, path),
            )
        progress = Progress(**self.world.broadcast(asdict(progress)))
        meter = self.world.broadcast(meter)
        if meter:
            with suppress(ValueError):  # of other losses; only the means of the next line lack it
                self._meter.restore(meter)
        broadcast_state(self.state, self.world)
        self.step.statistics.keep()
        if self.world.is_first:
            self.run_dir.initialise(self.config.to_yaml(), progress, self.about.get("classes"))
        return progress

    def _profile(self, data: Dataset, progress: Progress, rate: float) -> None:
        """Measure the parts of a step, print the table and write the timeline."""
        self.network.set_train(True)
        profile = profile_training(self.step, data, progress.epoch, rate, self.state, self.ema)
        self.step.statistics.keep()
        if not self.world.is_first:
            return
        profile.report(self.run_dir.profile_file)

    def _train_stretch(self, progress: Progress, data: Dataset, milestones: Milestones) -> Progress:
        """Train to the next milestone, or to the end of the epoch if that is sooner.

        Returns:
            The progress, pending at a milestone; before both if training must stop there.
        """
        accumulate = self.config.train.accumulate
        done = progress.steps_inside(self._global_batch)
        self.network.set_train(True)
        batches = self.stopping.reading(data.epoch(progress.epoch, done * accumulate))
        groups = batches_of_steps(batches, accumulate)
        for group in groups:
            rate = milestones.next_rate(progress)
            with self.stopping.until_begun(), self._console.step(progress.step + 1, group) as timed:
                result = self._take_step(group, rate)
            progress = milestones.after_step(progress)
            images = sum(len(batch[0]) for batch in group)
            self._meter.add(progress.step, rate, result, images, timed.compilation)
            self._console.after_step(progress, rate, result, images, timed)
            self.stopping.after_step(result)
            if milestones.is_milestone(progress):  # fit saves, evaluates and logs
                self._check_convergence(progress.step, rate)
                return replace(progress, pending=True)
            saves, logs = milestones.saves(progress), milestones.logs(progress)
            if logs or self.stopping.now:
                self._check_convergence(progress.step, rate)
            if logs:
                self._log(self._record(progress, milestones))
            if saves or self.stopping.now:
                self._save(progress)
            if self.stopping.now or not progress.inside_epoch:
                return progress
        raise UserError(
            f"Epoch {progress.epoch} of the training data ended after step {progress.step}; "
            f"its length promises {progress.steps_per_epoch} steps an epoch."
        )

    def _conclude(
        self, progress: Progress, val_data: Dataset | None, milestones: Milestones
    ) -> Progress:
        """Evaluate a saved milestone if it is due, and log its line."""
        record = self._record(progress, milestones)
        found = None
        if val_data and milestones.evaluates(progress):
            found = self._evaluate(val_data, progress)
            self._metrics = found.values
            record |= self._metrics | {"eval_seconds": self._console.evaluation_seconds}
            progress = progress.with_score(self._metrics[self.objective.monitor])
        if self.scalars is not None:
            record["scalars"] = self.scalars()
        self._log(record)
        self._console.row(progress, record)
        progress = replace(progress, pending=False)
        if self.world.is_first:
            self.run_dir.checkpoints.conclude(self.state, progress, self.about)
            if found is not None and self.evaluated is not None:
                self.evaluated(found.metric)
        return progress

    def _take_step(self, group: Group, rate: float) -> StepResult:
        """Update the parameters and their moving average."""
        self.step.stop = float(self.stopping.is_asked)
        result = self.step(group, rate)
        if self.ema is not None:
            self.ema.update()
        return result

    def _record(self, progress: Progress, milestones: Milestones) -> dict[str, Any]:
        """Return a line of the metrics: the means since the previous one."""
        record = {
            "epoch": milestones.epochs(progress),
            "step": progress.step,
            "lr": milestones.last_rate(progress),
            **self._meter.flush(),
        }
        if self.scaler is not None:
            record["scale"] = float(self.scaler.scale_value.asnumpy())
        return record

    def _check_convergence(self, step: int, rate: float) -> None:
        stops = self.config.train.on_nonfinite == "stop"
        check_convergence(self._meter, step, rate, stops, self.run_dir, self.world)

    def _evaluate(self, data: Dataset, progress: Progress) -> Evaluation:
        try:
            with (
                self.ema.applied() if self.ema is not None else nullcontext(),
                self._console.evaluating(data) as shown,
            ):
                return self.stopping.evaluate(self.objective, shown, progress.step)
        except UserError as error:
            raise UserError(
                f"{error} This was the evaluation after step {progress.step}. The "
                f"checkpoint before it is {self.run_dir.checkpoints.path / file_name(progress)}; "
                "--resume auto evaluates it first and goes on."
            ) from error

    def _save(self, progress: Progress) -> None:
        if self.world.is_first:
            doing(f"saving step {progress.step}")
            self.run_dir.check_present(progress.step)
            self.run_dir.checkpoints.save(self.state, progress, self._meter.state(), self.about)

    def _log(self, record: dict[str, Any]) -> None:
        self._console.take(record)
        if self.world.is_first:
            self.run_dir.log(record)

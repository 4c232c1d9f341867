"""Train a configured network, and evaluate checkpoints."""

from __future__ import annotations

import logging
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path

from acmix.config import Config
from acmix.data import create_dataset
from acmix.data.sharded import ShardedDataset
from acmix.engine import FitResult, RunDir, Trainer
from acmix.engine import evaluate as run_evaluation
from acmix.engine.identity import describe_run
from acmix.engine.logs import open_logs
from acmix.engine.objective import Metric
from acmix.engine.precision import check_precision
from acmix.engine.run_lock import RunLock
from acmix.environment import describe
from acmix.layers.path_weights import path_weights
from acmix.models.freeze import freeze_parameters
from acmix.parallel import World, join, synchronise_norms
from acmix.tasks import get_task
from acmix.utils.activity import doing
from acmix.utils.interruption import BEFORE_TRAINING, Interruption
from acmix.workflows.classes import known_class_names, match_classes
from acmix.workflows.pretrained import load_pretrained
from acmix.workflows.run_pictures import RunPictures
from acmix.workflows.runs import build_model, set_up_runtime
from acmix.workflows.weights import load_model

logger = logging.getLogger(__name__)


def train(
    config: Config, resume: str | None = None, interruption: Interruption | None = None
) -> FitResult:
    """Train a network and write the run to the folder ``config.output``.

    In distributed training, each process of the launcher calls this function.

    Args:
        config: configuration of the run.
        resume: None, ``"auto"`` or a checkpoint, see :meth:`acmix.engine.Trainer.fit`.
        interruption: receives the signals; None makes one.

    Raises:
        UserError: another process writes into the folder, it cannot be written to, it holds a run
            and ``resume`` is None; or see :meth:`acmix.engine.Trainer.fit`.
        Interrupted: a signal came before the first step was complete.
    """
    with interruption or Interruption() as interruption:
        with interruption.ending_at_once(BEFORE_TRAINING):
            target = set_up_runtime(config)
        doing("joining the other ranks", meets=True)
        with interruption.ending_by_default():  # MindSpore does not return to Python meanwhile
            world = join()
        return _train_in(world, config, resume, interruption, target)


def _train_in(
    world: World, config: Config, resume: str | None, interruption: Interruption, target: str
) -> FitResult:
    train = config.train
    # Reading the data may take minutes: what is wrong with the folder is told before.
    logs = open_logs(train.log, config.output) if world.is_first else ()
    run_dir = RunDir(config.output, describe(), train.keep, train.safetensors, logs)
    with RunLock(run_dir.path) if world.is_first else nullcontext(), closing(run_dir):
        if resume is None and world.is_first:
            run_dir.check_unused()
        with interruption.ending_at_once(BEFORE_TRAINING):
            trainer, data = _prepare(config, resume, run_dir, world, target, interruption)
        pictures = RunPictures(get_task(config.task), run_dir.path, data[1].classes)
        trainer.evaluated = pictures
        result = trainer.fit(*data, resume)
        if world.is_first:
            pictures.finish()
        world.barrier()  # the launcher treats an early exit of a rank as a failure
    first = data[1].names[0]
    return replace(result, example=first if Path(first).is_file() else None)


def _prepare(
    config: Config,
    resume: str | None,
    run_dir: RunDir,
    world: World,
    target: str,
    interruption: Interruption,
) -> tuple[Trainer, tuple[ShardedDataset, ShardedDataset]]:
    """Return the trainer, and the data for training and validation."""
    check_precision(config.train, target)
    doing("looking at the images")
    shard = {"num_shards": world.size, "shard_id": world.rank}
    train_data = create_dataset(config.data, "train", seed=config.seed, **shard)
    val_data = create_dataset(config.data, "val", seed=config.seed, **shard)
    for split, data in (("training", train_data), ("validation", val_data)):
        world.check_equal(
            f"The {split} data",
            (f"{part} {value}\n".encode() for part, value in data.digest().items()),
            "give all machines the same files; what cannot be decoded on one of them counts, too",
        )
    train_data.start_workers()  # they are ready when the network is compiled
    model = build_model(config, len(train_data.classes))
    if config.model.pretrained is not None and world.is_first:  # broadcast to the others later
        resumes = resume != "auto" and resume is not None
        resumes |= resume == "auto" and run_dir.checkpoints.to_resume() is not None
        if not resumes:
            load_pretrained(config, model)
    freeze_parameters(model, config.model.freeze)
    if config.train.sync_batch_norm:
        synchronise_norms(model, target)
    parameters = sum(parameter.size for parameter in model.trainable_params())
    logger.info(
        "Training %s (%.2f M parameters) on %d images of %d classes, %d x %s, %s mode, into %s",
        config.network_name,
        parameters / 1e6,
        train_data.num_samples,
        len(train_data.classes),
        world.size,
        target,
        config.runtime.mode,
        run_dir.path,
    )
    task = get_task(config.task)
    objective = task.objective(config, model, val_data)
    trainer = Trainer(
        objective,
        config,
        run_dir,
        scalars=lambda: path_weights(model),
        world=world,
        about=describe_run(config, train_data, val_data),
        interruption=interruption,
        headline=task.headline,
    )
    return trainer, (train_data, val_data)


def evaluate(config: Config, checkpoint: str | Path) -> tuple[Metric, tuple[str, ...]]:
    """Evaluate a checkpoint on the validation split; return the metric and the class names.

    The classes of the data are matched by name with those that the checkpoint was trained on, see
    :func:`acmix.workflows.classes.match_classes`.
    """
    set_up_runtime(config)
    classes = known_class_names(checkpoint)
    data = create_dataset(config.data, "val", seed=config.seed)
    if classes is None:
        classes = data.classes
        logger.warning(
            "%s does not name its classes: label k is taken for class k of the data.", checkpoint
        )
    data = data.relabelled(classes, match_classes(classes, data.classes, str(checkpoint)))
    model = build_model(config, len(classes))
    load_model(model, checkpoint)
    objective = get_task(config.task).objective(config, model, data)
    title = f"evaluating {data.num_samples} images"
    return run_evaluation(objective, data, title=title), classes

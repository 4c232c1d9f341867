"""Train a configured network, and evaluate checkpoints."""

from __future__ import annotations

import json
import logging
from pathlib import Path

from acmix.config import Config
from acmix.data import create_dataset
from acmix.engine import FitResult, RunDir, Trainer
from acmix.engine import evaluate as run_evaluation
from acmix.engine.objective import Metric
from acmix.environment import describe
from acmix.layers.path_weights import path_weights
from acmix.parallel import join, synchronise_norms
from acmix.tasks import get_task
from acmix.utils.files import write_text
from acmix.workflows.curve import plot_training_curve
from acmix.workflows.runs import CLASSES_FILE, build_model, load_pretrained, set_up_runtime
from acmix.workflows.weights import load_model

logger = logging.getLogger(__name__)


def train(config: Config, resume: str | None = None) -> FitResult:
    """Train a network and write the run to the folder ``config.output``.

    In distributed training, each process of the launcher calls this function.

    Args:
        config: configuration of the run.
        resume: None, ``"auto"`` or a checkpoint, see :meth:`acmix.engine.Trainer.fit`.
    """
    target = set_up_runtime(config)
    world = join()
    run_dir = RunDir(config.output, describe(), config.train.keep, config.train.safetensors)
    if resume is None and world.is_first:
        run_dir.check_unused()  # fails early: reading the data may take minutes
    shard = {"num_shards": world.size, "shard_id": world.rank}
    train_data = create_dataset(config.data, "train", seed=config.seed, **shard)
    val_data = create_dataset(config.data, "val", seed=config.seed, **shard)
    for split, data in (("training", train_data), ("validation", val_data)):
        world.check_equal(
            f"The list of {split} images",
            (f"{name}\n".encode() for name in data.names),
            "give all machines the same files; what cannot be decoded on one of them counts, too",
        )
    model = build_model(config, len(train_data.classes))
    if config.model.pretrained is not None and world.is_first:  # broadcast to the others later
        resumes = resume != "auto" and resume is not None
        resumes |= resume == "auto" and run_dir.checkpoints.to_resume() is not None
        if not resumes:
            load_pretrained(config, model)
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
    trainer = Trainer(objective, config, run_dir, scalars=lambda: path_weights(model), world=world)
    result = trainer.fit(train_data, val_data, resume)
    if world.is_first:
        write_text(run_dir.path / CLASSES_FILE, json.dumps(list(train_data.classes), indent=1))
        curve = run_dir.path / "curve.png"
        plot_training_curve(run_dir.metrics_file, curve, tuple(task.headline))
    world.barrier()  # the launcher treats an early exit of a rank as a failure
    return result


def evaluate(config: Config, checkpoint: str | Path) -> tuple[Metric, tuple[str, ...]]:
    """Evaluate a checkpoint on the validation split; return the metric and the class names."""
    set_up_runtime(config)
    data = create_dataset(config.data, "val", seed=config.seed)
    model = build_model(config, len(data.classes))
    load_model(model, checkpoint)
    objective = get_task(config.task).objective(config, model, data)
    return run_evaluation(objective, data), data.classes

"""What is done with a configuration: train, evaluate, export, convert, predict, measure.

The only module that sees all sides.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import mindspore as ms
import numpy as np

from acmix.analysis import path_weights, plot_training_curve, trace
from acmix.bench import BenchReport, bench_models
from acmix.config import Config, RuntimeConfig
from acmix.convert import (
    Report,
    check_state_file,
    load_torch_state,
    read_state,
    torch_state,
    write_state,
)
from acmix.data import ImageDataset, Preprocess, create_dataset
from acmix.engine import FitResult, RunDir, Trainer
from acmix.engine import evaluate as run_evaluation
from acmix.environment import describe, set_device
from acmix.errors import check
from acmix.export import ExportReport, check_export, export_model, load_exported
from acmix.models import Backbone, create_model
from acmix.models.registry import model_entry
from acmix.runs import (
    CLASSES_FILE,
    build_model,
    open_checkpoint,
    prepare,
    restore,
    run_config,
    run_folder,
)
from acmix.tasks import ClassificationTask
from acmix.tasks.classification import ClassificationMetric
from acmix.utils.files import write_text
from acmix.weights import check_checkpoint_name, head_size, load_model, save_model, warm_start

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prediction:
    """The most probable classes of one image, best first."""

    image: str
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]


def train(config: Config, resume: str | None = None) -> FitResult:
    """Train as configured and leave the run in ``config.output``.

    Args:
        config: what to train.
        resume: None, ``"auto"`` or a checkpoint, see :meth:`acmix.engine.Trainer.fit`.
    """
    run_dir = RunDir(config.output, describe(), keep=config.train.keep)
    if resume is None:
        run_dir.check_unused()  # before minutes go into reading the data
    target = prepare(config)
    train_data = create_dataset(config.data, "train", seed=config.seed)
    val_data = create_dataset(config.data, "val", seed=config.seed)
    model = build_model(config, len(train_data.classes))
    resumes = resume is not None and (resume != "auto" or run_dir.checkpoints.latest() is not None)
    if config.model.pretrained is not None and not resumes:
        start = config.model
        warm_start(model, config.model.pretrained, start.warm_start, start.reset_head)
    parameters = sum(parameter.size for parameter in model.trainable_params())
    logger.info(
        "Training %s (%.2f M parameters) on %d images of %d classes, %s, %s mode, into %s",
        config.model.name,
        parameters / 1e6,
        train_data.num_samples,
        len(train_data.classes),
        target,
        config.runtime.mode,
        run_dir.path,
    )
    task = ClassificationTask(model, model.num_classes, config.loss.label_smoothing)
    trainer = Trainer(task, config, run_dir, scalars=lambda: path_weights(model))
    result = trainer.fit(train_data, val_data, resume)
    write_text(run_dir.path / CLASSES_FILE, json.dumps(list(train_data.classes), indent=1))
    plot_training_curve(run_dir.metrics_file, run_dir.path / "curve.png")
    return result


def evaluate(config: Config, checkpoint: str | Path) -> tuple[ClassificationMetric, ImageDataset]:
    """Evaluate a checkpoint on the validation split; return the filled metric and the data set."""
    prepare(config)
    data = create_dataset(config.data, "val", seed=config.seed)
    model = build_model(config, len(data.classes))
    load_model(model, checkpoint)
    task = ClassificationTask(model, model.num_classes, config.loss.label_smoothing)
    return cast(ClassificationMetric, run_evaluation(task, data)), data


def export(
    config: Config, checkpoint: str | Path, output: str | Path, *, format: str, **options: Any
) -> ExportReport:
    """Export a checkpoint with a side-car that holds all a user of the file needs.

    Args:
        config: of the run that made the checkpoint.
        checkpoint: the weights.
        output: the file to write.
        format: ``mindir``, ``onnx`` or ``air``.
        **options: ``batch_size`` (default 1) and what :func:`acmix.export.export_model` takes.
    """
    check_export(output, format)
    model, classes = restore(config, checkpoint)
    size, channels = config.data.image_size, config.data.channels
    return export_model(
        model,
        output,
        format=format,
        input_shape=(options.pop("batch_size", 1), channels, size, size),
        sidecar={
            "model": config.model.name,
            "classes": list(classes),
            "preprocess": Preprocess.from_config(config.data).to_dict(),
        },
        **options,
    )


def import_torch(file: str | Path, output: str | Path, config: Config) -> Report:
    """Convert a file of an official PyTorch implementation to a checkpoint.

    Args:
        file: ``.pth``, ``.pt``, ``.safetensors`` or ``.npz``, see :func:`acmix.convert.read_state`.
        output: the ``.ckpt`` to write.
        config: names the model; without ``model.num_classes`` it has the file's classes.

    Returns:
        What was loaded, and what was ignored and why.
    """
    check_checkpoint_name(output)
    state = read_state(file)
    prepare(config)
    model = build_model(config, head_size(model_entry(config.model.name).cls, state) or 0)
    report = load_torch_state(model, state)
    save_model(model, output)
    return report


def export_torch(
    checkpoint: str | Path,
    output: str | Path,
    name: str | None = None,
    overrides: Sequence[str] = (),
) -> int:
    """Convert a checkpoint to a file with the official names; return the number of tensors.

    Args:
        checkpoint, name, overrides: see :func:`acmix.runs.open_checkpoint`.
        output: the ``.safetensors`` or ``.npz`` to write.
    """
    check_state_file(output)
    state = torch_state(open_checkpoint(checkpoint, name, overrides)[0])
    write_state(state, output)
    return len(state)


def predict(
    model_file: str | Path, images: list[str], config: Config | None = None, top: int = 5
) -> list[Prediction]:
    """Classify images with a checkpoint or an exported file.

    Args:
        model_file: a ``.ckpt`` of a run, or an exported ``.mindir`` or ``.onnx`` with its side-car.
        images: paths.
        config: of the run; by default the one in the checkpoint's run folder.
        top: classes per image.
    """
    check(top >= 1, f"--top must be at least 1, got {top}.")
    if Path(model_file).suffix == ".ckpt":
        config = config or run_config(model_file)
        model, classes = restore(config, model_file)
        preprocess, batch = Preprocess.from_config(config.data), 1

        def run(batch_of_images: np.ndarray) -> np.ndarray:
            return model(ms.Tensor(batch_of_images)).asnumpy()
    else:
        set_device((config or Config()).runtime)
        predictor = load_exported(model_file)
        sidecar = predictor.sidecar
        preprocess, classes = Preprocess.from_dict(dict(sidecar.preprocess)), sidecar.classes
        batch = sidecar.input_shape[0] or 1
        run = predictor  # type: ignore[assignment]  # a classifier has one output
    tensors = [preprocess.read(path) for path in images]  # all are readable before any is run
    predictions = []
    for path, tensor in zip(images, tensors, strict=True):
        logits = run(np.repeat(tensor[None], batch, 0))[0]
        predictions.append(_rank(path, logits, classes, top))
    return predictions


def _rank(path: str, logits: np.ndarray, classes: tuple[str, ...], top: int) -> Prediction:
    exponent = np.exp(logits.astype(np.float64) - logits.max())
    probability = exponent / exponent.sum()
    best = np.argsort(-probability, kind="stable")[:top]
    # A head may have more outputs than the data set has classes.
    names = [classes[i] if i < len(classes) else f"class {i}" for i in best]
    return Prediction(path, tuple(names), tuple(float(probability[i]) for i in best))


def metrics_report(metric: ClassificationMetric, classes: tuple[str, ...]) -> Mapping[str, Any]:
    """Return what ``acmix eval`` can write as JSON: metrics and accuracy per class."""
    per_class = metric.per_class_accuracy()
    return {
        **metric.compute(),
        "per_class": {name: float(per_class[i]) for i, name in enumerate(classes)},
    }


def bench(
    names: Sequence[str],
    checkpoints: Sequence[str | Path] = (),
    *,
    device: str = "auto",
    input_size: tuple[int, int] = (224, 224),
    **options: Any,
) -> BenchReport:
    """Measure models by name, or the models of finished runs, in turns.

    Args:
        names: registered models, measured with fresh weights at ``input_size``.
        checkpoints: of runs; a run's network goes by the name of its folder. All must take images
            of one size, which is measured.
        device: device target or ``auto``.
        input_size: height and width for ``names``.
        **options: see :func:`acmix.bench.bench_models`.
    """
    check(
        not (names and checkpoints),
        "give model names or checkpoints, not both: they are measured at different sizes.",
    )
    set_device(RuntimeConfig(device=device))  # type: ignore[arg-type]  # checked by its section
    networks: dict[str, Backbone] = {name: create_model(name) for name in names}
    shape = (3, *input_size)
    for checkpoint in checkpoints:
        config = run_config(checkpoint)
        shape = (config.data.channels, config.data.image_size, config.data.image_size)
        networks[run_folder(checkpoint).name] = restore(config, checkpoint)[0]
    macs = {name: trace(network, (1, *shape)).macs for name, network in networks.items()}
    options.setdefault("baseline", None)
    if options["baseline"] is None and len(networks) > 1:
        options["baseline"] = next(iter(networks))
    return bench_models(networks, shape, macs=macs, **options)

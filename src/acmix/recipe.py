"""From a configuration to models, data, tasks and runs: the only module that sees all sides."""

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
from acmix.config import Config, RuntimeConfig, load_config
from acmix.data import ImageDataset, Preprocess, create_dataset
from acmix.engine import FitResult, RunDir, Trainer, load_weights
from acmix.engine import evaluate as run_evaluation
from acmix.environment import describe, set_device
from acmix.errors import UserError, check
from acmix.export import ExportReport, check_export, export_model, load_exported
from acmix.models import Backbone, create_model
from acmix.tasks import ClassificationTask
from acmix.tasks.classification import ClassificationMetric
from acmix.utils.files import write_text
from acmix.utils.parameters import load_values

logger = logging.getLogger(__name__)

CLASSES_FILE = "classes.json"


@dataclass(frozen=True)
class Prediction:
    """The most probable classes of one image, best first."""

    image: str
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]


def prepare(config: Config) -> str:
    """Choose device and mode, seed everything; return the device target."""
    target = set_device(config.runtime)
    ms.set_seed(config.seed)
    return target


def build_model(config: Config, num_classes: int) -> Backbone:
    """Make the configured model for a data set of ``num_classes`` classes.

    Raises:
        UserError: ``model.num_classes`` is smaller than that, or the model refuses an argument.
    """
    section = config.model
    check(
        section.num_classes is None or section.num_classes >= num_classes,
        f"model.num_classes={section.num_classes} is less than the {num_classes} classes of the "
        "data set; leave it out to have as many.",
    )
    model = create_model(
        section.name,
        num_classes=section.num_classes or num_classes,
        in_channels=config.data.channels,
        drop_path_rate=section.drop_path_rate,
        **section.kwargs,
    )
    if section.pretrained is not None:
        load_model(model, section.pretrained)
    return model


def load_model(model: Backbone, checkpoint: str | Path) -> None:
    """Load a checkpoint's weights, the moving average where there is one.

    Raises:
        UserError: the file is missing or damaged, or its tensors are not the model's.
    """
    # The random states of drop path are of no use outside of the run that made them.
    state = {p.name: p for p in model.get_parameters() if not p.name.endswith("random_state")}
    weights = {
        name: value
        for name, value in load_weights(checkpoint).items()
        if not name.endswith("random_state")
    }
    load_values(state, weights, str(checkpoint))


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


def restore(config: Config, checkpoint: str | Path) -> tuple[Backbone, tuple[str, ...]]:
    """Make the model of a finished run, ready for inference, and the names of its classes."""
    prepare(config)
    classes = class_names(config, checkpoint)
    model = build_model(config, len(classes))
    load_model(model, checkpoint)
    model.set_train(False)
    return model, classes


def class_names(config: Config, checkpoint: str | Path) -> tuple[str, ...]:
    """Return the classes of a run: from its folder, or from the data set if it is not there."""
    file = run_folder(checkpoint) / CLASSES_FILE
    if not file.is_file():
        return create_dataset(config.data, "val", seed=config.seed).classes
    try:
        names = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{file} is not JSON ({error}); remove it or restore it.") from error
    check(
        isinstance(names, list) and bool(names) and all(isinstance(n, str) for n in names),
        f"{file} must hold a list of class names; remove it or restore it.",
    )
    return tuple(names)


def run_folder(checkpoint: str | Path) -> Path:
    """Return the run folder that a checkpoint lies in."""
    return Path(checkpoint).resolve().parent.parent


def run_config(checkpoint: str | Path) -> Config:
    """Load the resolved configuration beside a checkpoint.

    Raises:
        UserError: the checkpoint is not in a run folder.
    """
    check(Path(checkpoint).is_file(), f"{checkpoint} does not exist.")
    file = run_folder(checkpoint) / "config.yaml"
    check(file.is_file(), f"{file} is missing; name the run's configuration with --config.")
    return load_config(file)


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

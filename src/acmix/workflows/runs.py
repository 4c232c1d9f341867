"""Create configured models, and load models, configurations and classes of finished runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mindspore as ms
from mindspore import nn

from acmix.config import Config, load_config
from acmix.data import create_dataset
from acmix.engine import load_weights
from acmix.environment import set_device
from acmix.errors import UserError, check
from acmix.models import create_model
from acmix.models.registry import model_entry
from acmix.tasks import get_task, task_of_network
from acmix.tasks.base import model_arguments
from acmix.workflows.weights import copy_features, head_size, load_model, read_tensors, warm_start

CLASSES_FILE = "classes.json"


def set_up_runtime(config: Config) -> str:
    """Set device, execution mode and random seed; return the device target."""
    target = set_device(config.runtime)
    ms.set_seed(config.seed)
    return target


def build_model(config: Config, num_classes: int) -> Any:
    """Create the configured network for a data set of ``num_classes`` classes.

    Raises:
        UserError: ``model.num_classes`` is less than ``num_classes``, or the network rejects an
            argument.
    """
    configured = config.model.num_classes
    check(
        configured is None or configured >= num_classes,
        f"model.num_classes={configured} is less than the {num_classes} classes of the data set; "
        "leave it out to have as many.",
    )
    return get_task(config.task).build_model(config, configured or num_classes)


def load_pretrained(config: Config, model: nn.Cell) -> None:
    """Load ``model.pretrained`` as initial weights of a network or its backbone.

    Raises:
        UserError: see :func:`acmix.workflows.weights.warm_start`.
    """
    section = config.model
    file = section.pretrained
    check(file is not None, "model.pretrained names no file.")
    backbone = get_task(config.task).backbone(model)
    if backbone is model:
        warm_start(backbone, str(file), section.warm_start, section.reset_head)
        return
    # Load into a classifier first, which supports all checks and conversions of the file.
    classes = head_size(model_entry(section.name).cls, read_tensors(str(file)))
    arguments = model_arguments(config)
    arguments.pop("out_indices", None)  # the stages that the head uses
    classifier = create_model(section.name, num_classes=classes or 0, **arguments)
    warm_start(classifier, str(file), section.warm_start)
    copy_features(classifier, backbone)


def restore(config: Config, checkpoint: str | Path) -> tuple[Any, tuple[str, ...]]:
    """Return the model of a finished run in evaluation mode, and its class names."""
    set_up_runtime(config)
    classes = class_names(config, checkpoint)
    model = build_model(config, len(classes))
    load_model(model, checkpoint)
    model.set_train(False)
    return model, classes


def class_names(config: Config, checkpoint: str | Path) -> tuple[str, ...]:
    """Return the class names of a run from its folder, or from the data set if missing there."""
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
    """Return the run folder of a checkpoint."""
    return Path(checkpoint).resolve().parent.parent


def run_config(checkpoint: str | Path) -> Config:
    """Load the configuration in the run folder of a checkpoint.

    Raises:
        UserError: the checkpoint is not in a run folder.
    """
    check(Path(checkpoint).is_file(), f"{checkpoint} does not exist.")
    file = run_folder(checkpoint) / "config.yaml"
    check(file.is_file(), f"{file} is missing; name the run's configuration with --config.")
    return load_config(file)


def named_config(name: str, overrides: Sequence[str] = ()) -> Config:
    """Return the default configuration of the registered network ``name``."""
    return task_of_network(name).network_config(name, overrides)


def open_checkpoint(
    checkpoint: str | Path, name: str | None = None, overrides: Sequence[str] = ()
) -> tuple[Any, Config]:
    """Return the network of a checkpoint in evaluation mode, and its configuration.

    Args:
        checkpoint: checkpoint in a run folder, or, with ``name``, any checkpoint of that model.
        name: name of the model; None uses the configuration in the run folder.
        overrides: ``key=value`` strings, if the model differs from the registered default.

    Raises:
        UserError: no ``name`` and no run folder, or the checkpoint does not fit the model.
    """
    if name is None:
        config = run_config(checkpoint)
        return restore(config, checkpoint)[0], config
    config = named_config(name, overrides)
    set_up_runtime(config)
    classes = head_size(model_entry(config.model.name).cls, load_weights(checkpoint))
    model = build_model(config, classes or 0)
    load_model(model, checkpoint)
    return model.set_train(False), config

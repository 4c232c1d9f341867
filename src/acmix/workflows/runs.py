"""Create configured models, and load models, configurations and classes of finished runs."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mindspore as ms

from acmix.config import Config, load_config
from acmix.engine.checkpoint import read_about
from acmix.engine.checkpoint_folder import BEST, latest_checkpoint
from acmix.environment import set_device
from acmix.errors import UserError, check
from acmix.tasks import get_task, task_of_network
from acmix.trained import weights_path
from acmix.utils.reading import check_regular
from acmix.workflows.classes import class_names, count_classes
from acmix.workflows.weights import load_model

logger = logging.getLogger(__name__)


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


def restore(
    config: Config, checkpoint: str | Path, class_file: str | Path | None = None
) -> tuple[Any, tuple[str, ...]]:
    """Return the model of a checkpoint in evaluation mode, and its class names.

    The data set is not needed, see :func:`acmix.workflows.classes.class_names`.
    """
    set_up_runtime(config)
    classes = class_names(config, checkpoint, class_file)
    model = build_model(config, len(classes))
    load_model(model, checkpoint)
    model.set_train(False)
    return model, classes


def model_file(path: str | Path) -> Path:
    """Return the best checkpoint of a run folder, or the file of a trained network's name.

    Other paths are returned as they are.

    Without one, of a run that has not been evaluated, the newest intact checkpoint is taken.

    Raises:
        UserError: a folder holds no checkpoint of a run.
    """
    path = weights_path(path)
    if not path.is_dir():
        return path
    best = path / "checkpoints" / BEST
    if best.is_file():
        return best
    newest = latest_checkpoint(path)
    check(
        newest is not None,
        f"{path} is a folder without checkpoints; name a run folder, which holds config.yaml and "
        "checkpoints/, or a file.",
    )
    logger.warning("%s has no %s yet; %s is used.", path, BEST, newest)
    return Path(str(newest))


def run_folder(checkpoint: str | Path) -> Path:
    """Return the run folder of a checkpoint."""
    return Path(checkpoint).resolve().parent.parent


def run_config(checkpoint: str | Path) -> Config:
    """Load the configuration in the run folder of a checkpoint, else the one in the checkpoint.

    Raises:
        UserError: the checkpoint is missing; or it is outside of a run folder and holds weights
            alone.
    """
    check_regular(checkpoint)
    file = run_folder(checkpoint) / "config.yaml"
    if file.is_file():
        return load_config(file)
    settings = read_about(checkpoint).get("settings")
    if not isinstance(settings, Mapping):
        raise UserError(f"{file} is missing; name the configuration of {checkpoint} with --config.")
    return Config.from_dict(_tree(settings))


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
    model = build_model(config, count_classes(config, checkpoint))
    load_model(model, checkpoint)
    return model.set_train(False), config


def _tree(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings by dotted keys as a nested configuration."""
    tree: dict[str, Any] = {}
    for key, value in settings.items():
        *sections, name = key.split(".")
        inner = tree
        for section in sections:
            inner = inner.setdefault(section, {})
        inner[name] = value
    return tree

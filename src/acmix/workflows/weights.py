"""Load and save weights of models, and initialise models from pretrained weights."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from mindspore import Parameter, nn

from acmix.convert import (
    BACKBONE,
    Official,
    classes_of,
    count_classes,
    load_torch_state,
    official_state,
    read_state,
    torch_names,
)
from acmix.engine import WEIGHT_SUFFIXES, is_mindspore_file, load_weights, save_weights
from acmix.errors import UserError, check
from acmix.layers.acmix import ACmix
from acmix.models import Backbone
from acmix.models.detection import Detector
from acmix.models.segmentation import Segmenter
from acmix.trained import weights_path
from acmix.utils.parameters import check_finite, check_fit, get_value, load_values, set_value

logger = logging.getLogger(__name__)

MODES = ("strict", "exact")
"""How weights are loaded, see :func:`warm_start`."""


class WeightFile:
    """A file of initial weights, whose content is read once, when it is first asked for.

    Args:
        path: checkpoint of this package, or a file for :func:`acmix.convert.read_state`; or the
            name of a network in :mod:`acmix.trained`.
        key: chooses one of several sets of weights in a file of PyTorch.
        owner: what the names of options begin with in messages: those of the configuration, or
            nothing for arguments of a function.

    Raises:
        UserError: from the properties that read: the file is missing or damaged.
    """

    def __init__(self, path: str | Path, key: str | None = None, owner: str = "model."):
        self.path, self.key, self.owner = weights_path(path), key, owner
        self._named = path

    def __str__(self) -> str:
        """Return the option that names the file."""
        return f"{self.owner}pretrained={self._named}"

    @property
    def is_torch(self) -> bool:
        """Whether it is no checkpoint of MindSpore; false if it is missing."""
        return os.path.lexists(self.path) and not is_mindspore_file(Path(self.path))

    @cached_property
    def tensors(self) -> dict[str, np.ndarray]:
        """Arrays by the names in the file."""
        return read_state(self.path, self.key) if self.is_torch else load_weights(self.path)

    def official(self, model: nn.Cell) -> Official:
        """Return PyTorch's tensors under the official names of a network."""
        return official_state(type(model), self.tensors, _body(model))


def load_model(model: nn.Cell, checkpoint: str | Path, keep: Collection[str] = ()) -> None:
    """Load the weights of a checkpoint, or their moving average if it has one.

    Args:
        model: model to modify.
        checkpoint: ``.ckpt`` or ``.safetensors`` file of this package.
        keep: parameters that the checkpoint does not contain; they stay unchanged.

    Raises:
        UserError: the file is missing or damaged, or its tensors do not fit the model.
    """
    _load(model, load_weights(checkpoint), keep, checkpoint)


def check_checkpoint_name(path: str | Path) -> None:
    """Raise UserError unless :func:`save_model` can write a file of this name."""
    check(
        Path(path).suffix in WEIGHT_SUFFIXES,
        f"{path}: checkpoints are written as {' or '.join(WEIGHT_SUFFIXES)}.",
    )


def save_model(model: nn.Cell, path: str | Path) -> None:
    """Write the weights of ``model`` to a file for :func:`load_model`.

    Raises:
        UserError: the suffix is not supported, or the folder is not writable.
    """
    check_checkpoint_name(path)
    save_weights(Path(path), _parameters(model))


def warm_start(
    model: Backbone | Detector | Segmenter,
    file: WeightFile,
    mode: str = "strict",
    reset_head: bool = False,
    prefix: str = "",
) -> None:
    """Initialise a model from weights of another run or of PyTorch.

    Args:
        model: new model.
        file: the weights.
        mode: ``strict``: the file contains every parameter. ``exact``: it contains those of the
            plain model without convolution paths. The ACmix model then computes the same function:
            alpha = 1 and beta = 0. The outputs of the paths are not zero, so beta has a gradient.
        reset_head: keep the model's new classifier instead of loading the file's.
        prefix: of the names in a checkpoint of this package that are for the model; others are
            left out.

    Raises:
        UserError: the file cannot be read; a missing parameter is not part of a convolution path;
            or the weight of a path is fixed and cannot be set to 0.
    """
    keep = _zero_conv_paths(model, file.owner) if mode == "exact" else frozenset()
    head = _head(model) if reset_head else frozenset()
    try:
        if file.is_torch:
            names = torch_names(model)
            skipped = {tensor for name in head for tensor in names[name]}
            official = file.official(model)
            state = {k: value for k, value in official.state.items() if k not in skipped}
            load_torch_state(model, state, keep | head)
            for note in (*official.notes, *sorted(set(official.ignored.values()))):
                logger.info("%s: %s", file.path, note)
        else:
            check(
                file.key is None,
                f"{file.owner}pretrained_key chooses in a file of PyTorch; this one is a "
                "checkpoint of MindSpore.",
            )
            weights = {
                name: value
                for name, value in file.tensors.items()
                if name not in head and name.startswith(prefix)
            }
            _load(model, weights, keep | head, file.path)
    except UserError as error:
        raise UserError(f"{file}: {error}{_advice(mode, file.owner)}") from None
    what = "the backbone's weights" if prefix else "the weights"
    logger.info("Starting from %s of %s", what, file.path)
    if head:
        logger.info("  with a new classifier of %d classes", model.num_classes)
    if keep:
        logger.info("  and with convolution paths of weight 0, which training raises")


def copy_features(classifier: Backbone, backbone: Backbone) -> None:
    """Copy the weights of a classifier to its ``features_only`` backbone under any prefix.

    Parameters that the classifier lacks, norms of feature maps, stay unchanged.
    """
    source = _parameters(classifier)
    for name, parameter in backbone.parameters_and_names():
        if name in source:
            set_value(parameter, get_value(source[name]))


def head_size(model: nn.Cell, file: WeightFile) -> int | None:
    """Return the number of classes that the classifier of a network has in a file; None without."""
    return head_size_of(type(model), file, _body(model))


def head_size_of(
    model: type[nn.Cell], file: WeightFile, body: type[nn.Cell] | None = None
) -> int | None:
    """Return the same for a class of networks, and that of the backbone if it is a head on one."""
    name = getattr(model, "classifier_name", None)
    if name is None:
        return None
    if file.is_torch:
        return count_classes(model, official_state(model, file.tensors, body).state, body)
    weight = file.tensors.get(f"{name}.weight")
    return None if weight is None else classes_of(model, weight.shape[0])


def fits_maps_alone(backbone: Backbone, classifier: Backbone, file: WeightFile) -> bool:
    """Return whether a file of PyTorch has all of a backbone, but not of its classifier's twin.

    It then comes from a network with another head: of Swin, it has a norm of each map instead of
    the classifier's.
    """
    if not file.is_torch:
        return False
    names = set(file.official(backbone).state)
    maps, whole = (
        {tensor for tensors in torch_names(network).values() for tensor in tensors}
        for network in (backbone, classifier)
    )
    return maps <= names and not whole <= names


def has_backbone(file: WeightFile) -> bool:
    """Return whether a file is a checkpoint of this package of a head on a backbone."""
    return not file.is_torch and any(name.startswith(BACKBONE) for name in file.tensors)


def _body(model: nn.Cell) -> type[nn.Cell] | None:
    """Return the class of a network's backbone; None if it is no head on one."""
    body = getattr(model, "backbone", None)
    return None if body is None else type(body)


def _parameters(model: nn.Cell) -> dict[str, Parameter]:
    """Return the parameters by name, without random states, which belong to one network only."""
    return {p.name: p for p in model.get_parameters() if not _is_random_state(p.name)}


def _is_random_state(name: str) -> bool:
    return name.endswith("random_state")


def _load(
    model: nn.Cell, weights: Mapping[str, Any], keep: Collection[str], source: str | Path
) -> None:
    target = {name: p for name, p in _parameters(model).items() if name not in keep}
    weights = {name: value for name, value in weights.items() if not _is_random_state(name)}
    check_fit(target, weights, str(source))
    check_finite(weights, str(source))
    load_values(target, weights, str(source))


def _head(model: Backbone | Detector | Segmenter) -> frozenset[str]:
    return frozenset(parameter.name for parameter in model.classifier_parameters())


def _zero_conv_paths(model: nn.Cell, owner: str) -> frozenset[str]:
    """Set alpha = 1 and beta = 0; return the parameters that the plain model does not have."""
    added: set[str] = set()
    for name, cell in model.cells_and_names():
        if not isinstance(cell, ACmix) or cell.conv_path is None:
            continue
        for weight, value in ((cell.alpha, 1.0), (cell.beta, 0.0)):
            if weight is not None:
                set_value(weight, np.array([value]))
                added.add(weight.name)
        check(
            cell.path_weights() == {"alpha": 1.0, "beta": 0.0},
            f"{owner}warm_start=exact: combine='{cell.combine}' of '{name}' fixes the weight of a "
            "path, so the function cannot begin as the plain model's; use combine=both.",
        )
        added |= {parameter.name for parameter in cell.conv_path.get_parameters()}
    check(
        bool(added),
        f"{owner}warm_start=exact is for ACmix models, this one has no convolution path; use "
        "strict.",
    )
    return frozenset(added)


def _advice(mode: str, owner: str) -> str:
    if mode == "exact":
        return (
            f" {owner}warm_start=exact takes the plain model that has the same attention; "
            f"weights of an ACmix model start with {owner}warm_start=strict."
        )
    return (
        f" For another number of classes set {owner}reset_head=true; for an ACmix model from its "
        f"plain one, {owner}warm_start=exact."
    )

"""Initial weights of a configured network: all of them, or those of its backbone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from acmix.config import Config
from acmix.convert import BACKBONE
from acmix.errors import check
from acmix.models import Backbone, create_model
from acmix.tasks import get_task
from acmix.tasks.base import model_arguments
from acmix.workflows.weights import (
    WeightFile,
    copy_features,
    fits_maps_alone,
    has_backbone,
    head_size,
    warm_start,
)


def load_pretrained(config: Config, model: Any) -> None:
    """Load ``model.pretrained`` as initial weights of a configured network.

    Raises:
        UserError: see :func:`start_from`.
    """
    section = config.model
    check(section.pretrained is not None, "model.pretrained names no file.")
    arguments = model_arguments(config)
    arguments.pop("out_indices", None)  # the stages that the head uses
    start_from(
        config.network_name,
        WeightFile(str(section.pretrained), section.pretrained_key),
        model,
        get_task(config.task).backbone(model),
        lambda classes: create_model(section.name, num_classes=classes, **arguments),
        section.warm_start,
        section.reset_head,
    )


def start_from(
    name: str,
    file: WeightFile,
    model: Any,
    backbone: Backbone,
    make_classifier: Callable[[int], Backbone],
    mode: str = "strict",
    reset_head: bool = False,
) -> None:
    """Load the initial weights of a network or its backbone.

    A network with a head takes the weights of all of it, of the backbone of another network, or
    of a classifier, which is left out. So does a backbone without a classifier.

    Args:
        name: of the network, for messages.
        file: the weights.
        model: the network.
        backbone: its backbone; ``model`` if it is one itself.
        make_classifier: makes the backbone's classifier of so many classes.
        mode: see :func:`acmix.workflows.weights.warm_start`.
        reset_head: keep the network's new classifier.

    Raises:
        UserError: see :func:`acmix.workflows.weights.warm_start`; or ``reset_head`` is set and the
            file holds no such head.
    """
    if model.num_classes and (backbone is model or head_size(model, file) is not None):
        warm_start(model, file, mode, reset_head)
        return
    check(
        not reset_head,
        f"{file.owner}reset_head=true: {file.path} holds no head of {name} that "
        f"could be left out; leave {file.owner}reset_head out.",
    )
    if has_backbone(file):
        warm_start(backbone, file, mode, prefix=BACKBONE)
        return
    # Load into a classifier first, which supports all checks and conversions of the file.
    classifier = make_classifier(head_size(backbone, file) or 0)
    if fits_maps_alone(backbone, classifier, file):
        warm_start(backbone, file, mode)  # as a network with another head has it
        return
    warm_start(classifier, file, mode)
    copy_features(classifier, backbone)

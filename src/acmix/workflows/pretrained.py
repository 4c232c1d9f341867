"""Initial weights of a configured network: all of them, or those of its backbone."""

from __future__ import annotations

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
    """Load ``model.pretrained`` as initial weights of a network or its backbone.

    A network with a head takes the weights of all of it, of the backbone of another network, or
    of a classifier, which is left out.

    Raises:
        UserError: see :func:`acmix.workflows.weights.warm_start`; or ``model.reset_head`` is set
            and the file holds no such head.
    """
    section = config.model
    check(section.pretrained is not None, "model.pretrained names no file.")
    file, mode = WeightFile(str(section.pretrained), section.pretrained_key), section.warm_start
    backbone = get_task(config.task).backbone(model)
    if backbone is model or head_size(model, file) is not None:
        warm_start(model, file, mode, section.reset_head)
        return
    check(
        not section.reset_head,
        f"model.reset_head=true: {file.path} holds no head of {config.network_name} that could be "
        "left out; leave model.reset_head out.",
    )
    if has_backbone(file):
        warm_start(backbone, file, mode, prefix=BACKBONE)
        return
    # Load into a classifier first, which supports all checks and conversions of the file.
    arguments = model_arguments(config)
    arguments.pop("out_indices", None)  # the stages that the head uses
    classes = head_size(backbone, file) or 0
    classifier: Backbone = create_model(section.name, num_classes=classes, **arguments)
    if fits_maps_alone(backbone, classifier, file):
        warm_start(backbone, file, mode)  # as a network with another head has it
        return
    warm_start(classifier, file, mode)
    copy_features(classifier, backbone)

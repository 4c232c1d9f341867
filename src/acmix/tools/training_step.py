"""A training step to be measured or audited: as configured, or AdamW's on random targets."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from mindspore import nn

from acmix.config import Config, OptimConfig
from acmix.engine import create_train_step
from acmix.engine.optim import create_optimizer
from acmix.engine.train_step import TrainStep
from acmix.models import Backbone
from acmix.models.detection import Detector
from acmix.parallel import World
from acmix.tasks import ClassificationTask, DetectionTask
from acmix.tasks.workflows import WORKFLOWS
from acmix.tools.bench.models import Prepare

BOXES = 8
"""Boxes per image; COCO has 7.3 on average."""
LEARNING_RATE = 1e-6
"""Random targets, or one batch again and again, must not make a measured network diverge."""


def training_step(model: Backbone | Detector) -> Prepare:
    """Measure forward, backward and AdamW's update in float32, with the copy of the batch."""

    def prepare(images: np.ndarray) -> Callable[[], object]:
        network, targets = _task(model, images.shape)
        network.set_train(True)
        step = TrainStep(network, create_optimizer(network, OptimConfig(lr=LEARNING_RATE)))
        return lambda: step([(images, *targets)], LEARNING_RATE)

    return prepare


def configured_step(
    config: Config, model: Backbone | Detector, world: World | None = None
) -> TrainStep:
    """Make the step that trains ``model`` as configured, ready to train.

    Args:
        config: the task, and how it is trained.
        model: as :func:`acmix.workflows.runs.build_model` makes it.
        world: the devices that train together; None for one.
    """
    step = create_train_step(
        WORKFLOWS[config.task].task(config, model, None).train_network, config, world
    )
    step.network.set_train(True)
    return step


def _task(
    model: Backbone | Detector, shape: tuple[int, ...]
) -> tuple[nn.Cell, tuple[np.ndarray, ...]]:
    """What is trained, and random targets for images of ``shape``."""
    targets = random_targets(model, shape)
    if isinstance(model, Detector):
        return DetectionTask(model).train_network, targets
    return ClassificationTask(model, model.num_classes).train_network, targets


def random_targets(model: Backbone | Detector, shape: tuple[int, ...]) -> tuple[np.ndarray, ...]:
    """Return what follows images of ``shape`` in a training batch: labels, or boxes and labels."""
    rng = np.random.default_rng(0)
    batch, _, height, width = shape
    if not isinstance(model, Detector):
        return (rng.integers(model.num_classes, size=batch).astype(np.int32),)
    corners = np.sort(rng.random((batch, BOXES, 2, 2)), 2).reshape(batch, BOXES, 4)
    boxes = (corners * [width, height, width, height]).astype(np.float32)
    return boxes, rng.integers(model.num_classes, size=(batch, BOXES)).astype(np.int32)

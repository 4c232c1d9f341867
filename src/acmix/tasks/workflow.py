"""What differs between the tasks when a configuration is trained, exported or used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from mindspore import Tensor, nn

from acmix.config import Config
from acmix.engine.task import Metric, Task
from acmix.export.predictor import Outputs


class Prediction(Protocol):
    """What was found in one image."""

    @property
    def image(self) -> str:
        """Its path."""

    def lines(self) -> list[str]:
        """Return it as text for people, a line per finding."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain data for JSON."""

    def draw(self, path: Path) -> None:
        """Write the image with what was found in it."""


class Reader(Protocol):
    """Turns image files into what a network takes, and its outputs into predictions."""

    def read(self, path: str) -> tuple[np.ndarray, Any]:
        """Return the tensor (C, H, W) of an image file, and what :meth:`explain` needs of it."""

    def explain(self, path: str, outputs: Outputs, found: Any) -> Prediction:
        """Return the prediction for an image from the network's outputs, without batch axis."""


class Workflow(Protocol):
    """How one task joins data, model, metric and deployment.

    Attributes:
        num_classes: of the task's benchmark, for networks that are looked at without data.
    """

    num_classes: int

    def task(self, config: Config, model: nn.Cell, val_data: Any) -> Task:
        """Return what is trained, evaluated against ``val_data``; with None it cannot be."""

    def targets(self, config: Config, batch_size: int, num_classes: int) -> tuple[Tensor, ...]:
        """Return what follows the images in a training batch, shapes and types without data."""

    def image_shape(self, config: Config) -> tuple[int, int, int]:
        """Return the shape (C, H, W) of the largest evaluated images."""

    def deployed(self, model: nn.Cell, format: str) -> nn.Cell:
        """Return the network from images to outputs as it is exported to ``format``."""

    def describe(self, config: Config, model: nn.Cell, format: str) -> dict[str, Any]:
        """Return the side-car's part on feeding the network and reading its outputs."""

    def reader(
        self,
        described: Mapping[str, Any],
        classes: Sequence[str],
        shape: tuple[int, ...] | None,
        top: int,
    ) -> Reader:
        """Return the counterpart of :meth:`describe`.

        Args:
            described: ``preprocess`` and ``post_process``.
            classes: names in the order of the labels.
            shape: (C, H, W) if the network takes no other.
            top: classes per image, of classifiers.

        Raises:
            UserError: ``described`` is not what :meth:`describe` gives.
        """

    def report(self, metric: Metric, classes: Sequence[str]) -> dict[str, Any]:
        """Return what ``acmix eval --json`` writes."""

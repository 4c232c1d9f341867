"""`Task`: everything that depends on what is learned, in one object.

A new task is a folder here with a class under ``@register_task`` and one import in
``acmix/tasks/__init__.py``, and a file in ``acmix/config`` with its class of configurations.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar, get_args

import numpy as np
from mindspore import Tensor, nn

from acmix.config import Config
from acmix.config.typed import annotations_of
from acmix.engine.objective import Metric, Objective
from acmix.errors import UserError, check, suggest
from acmix.export.outputs import Outputs
from acmix.models import Backbone, list_networks

ImageShape = tuple[int, int, int]
"""Channels, height and width."""


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


@dataclass(frozen=True)
class Benchmark:
    """The data set that papers measure a task on; for networks that are looked at without data."""

    num_classes: int
    training_images: int
    image_size: tuple[int, int]
    """Height and width at which papers count and measure networks."""


ConfigT = TypeVar("ConfigT", bound=Config)
ModelT = TypeVar("ModelT", bound=nn.Cell)
MetricT = TypeVar("MetricT", bound=Metric)


class Task(ABC, Generic[ConfigT, ModelT, MetricT]):
    """How a task joins configuration, data, model, losses, metric and deployment.

    Attributes:
        name: value of the configuration's key ``task``.
        config_class: configuration of a run.
        benchmark: the usual data set.
        headline: metrics that tables and curves show, with their titles; the first of them
            chooses the best checkpoint.
    """

    name: ClassVar[str]
    config_class: ClassVar[type[Config]]
    benchmark: ClassVar[Benchmark]
    headline: ClassVar[Mapping[str, str]]

    def network_names(self, pattern: str = "*") -> list[str]:
        """Return the names of registered networks that match a shell pattern, sorted."""
        return list_networks(self.config_class.networks, pattern)

    @abstractmethod
    def create(self, name: str, **arguments: Any) -> ModelT:
        """Make a registered network; the arguments are those of :func:`acmix.create_model`."""

    @abstractmethod
    def network_config(self, name: str, overrides: Sequence[str] = ()) -> ConfigT:
        """Return the default configuration of a registered network, with ``key=value`` strings."""

    @abstractmethod
    def build_model(self, config: ConfigT, num_classes: int) -> ModelT:
        """Make the configured network."""

    @abstractmethod
    def backbone(self, model: ModelT) -> Backbone:
        """Return the part that classifiers' weights fit; ``model`` itself if it is all of it."""

    @abstractmethod
    def objective(self, config: ConfigT, model: ModelT, val_data: Any = None) -> Objective:
        """Return what is trained, and evaluated against ``val_data``; with None it cannot be."""

    @abstractmethod
    def benchmark_objective(self, model: ModelT) -> Objective:
        """Return what is trained when the speed of a network is measured."""

    @abstractmethod
    def target_specs(
        self, config: ConfigT, batch_size: int, num_classes: int
    ) -> tuple[Tensor, ...]:
        """Return what follows the images in a training batch, shapes and types without data."""

    @abstractmethod
    def random_targets(
        self, model: ModelT, shape: Sequence[int], rng: np.random.Generator
    ) -> tuple[np.ndarray, ...]:
        """Return what follows images of ``shape`` (B, C, H, W) in a training batch."""

    @abstractmethod
    def image_shape(self, config: ConfigT) -> ImageShape:
        """Return the shape (C, H, W) of the largest evaluated images."""

    def check_input_size(self, config: ConfigT) -> None:  # most take any size
        """Raise UserError if networks of the task are only exported for their evaluation size."""

    @abstractmethod
    def deployed(self, model: nn.Cell, post_process: bool = True) -> nn.Cell:
        """Return the network from images to outputs as it is exported.

        Args:
            model: the network, or its inference form.
            post_process: whether it does all of the post-processing.
        """

    @abstractmethod
    def describe(self, config: ConfigT, model: ModelT, post_process: bool = True) -> dict[str, Any]:
        """Return the side-car's part on feeding the network and reading its outputs."""

    @abstractmethod
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

    @abstractmethod
    def report(self, metric: MetricT, classes: Sequence[str]) -> dict[str, Any]:
        """Return what ``acmix eval --json`` writes: numbers by name, and ``per_class``."""

    @abstractmethod
    def write_eval_file(
        self, option: str, metric: MetricT, classes: Sequence[str], path: Path
    ) -> None:
        """Write what an option of ``config_class.eval_files`` asks for."""


TASKS: dict[str, Task[Any, Any, Any]] = {}
"""By name."""

T = TypeVar("T", bound=type[Task[Any, Any, Any]])


def register_task(cls: T) -> T:
    """Register a task under the name that its configuration gives it."""
    (cls.name,) = get_args(annotations_of(cls.config_class)["task"])
    check(cls.name not in TASKS, f"task '{cls.name}' is already registered.")
    TASKS[cls.name] = cls()
    return cls


def get_task(name: str) -> Task[Any, Any, Any]:
    """Return the task ``name``; raise UserError with near names if unknown."""
    if name not in TASKS:
        raise UserError(f"task '{name}' is unknown.{suggest(name, TASKS)}")
    return TASKS[name]


def task_of_network(name: str) -> Task[Any, Any, Any]:
    """Return the task of a registered network; raise UserError with near names if unknown."""
    names = {network: task for task in TASKS.values() for network in task.network_names()}
    if name not in names:
        raise UserError(f"model '{name}' is unknown.{suggest(name, names)}")
    return names[name]


def model_arguments(config: Config) -> dict[str, Any]:
    """Return the configured arguments of :func:`acmix.create_model`, but for the classes."""
    return {
        "in_channels": config.data.channels,
        "drop_path_rate": config.model.drop_path_rate,
        **config.model.kwargs,
    }

"""`Task`: all task-specific code in one object.

A new task adds a folder here with a class under ``@register_task``, and one import in
``acmix/tasks/__init__.py``. Its configuration class is a module in ``acmix/config``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar, cast, get_args

import numpy as np
from mindspore import Tensor, nn
from PIL import Image

from acmix.config import Config, load_config
from acmix.config.typed import annotations_of
from acmix.engine.objective import Metric, Objective
from acmix.errors import UserError, check, suggest
from acmix.export.outputs import Outputs
from acmix.export.verify import checked_difference
from acmix.models import Backbone, list_networks
from acmix.tasks.evaluation_files import write_report
from acmix.tasks.prediction import Reader
from acmix.utils.registry import Registry

ImageShape = tuple[int, int, int]
"""Channels, height and width."""


class TaskMetric(Metric, Protocol):
    """Metric that also has a value per class."""

    def per_class(self) -> np.ndarray:
        """Return the value of each class (K,); NaN for a class without samples."""


@dataclass(frozen=True)
class Benchmark:
    """Usual benchmark data set of a task, for measurements without data."""

    num_classes: int
    training_images: int
    image_size: tuple[int, int]
    """Height and width at which papers report costs and speed."""


ConfigT = TypeVar("ConfigT", bound=Config)
ModelT = TypeVar("ModelT", bound=nn.Cell)
MetricT = TypeVar("MetricT", bound=TaskMetric)


class Task(ABC, Generic[ConfigT, ModelT, MetricT]):
    """Combines configuration, data, model, losses, metric and deployment of a task.

    Attributes:
        name: value of the configuration key ``task``.
        config_class: configuration class of a run.
        benchmark: benchmark data set.
        headline: metrics of tables and curves, with titles; the first chooses the best checkpoint.
        picture_folders: names of the folders beside the picture of a prediction in which
            :meth:`.Prediction.draw` writes others of the same name.
        agreement_title: what :meth:`agreement` is.
        prediction_batch: images that a checkpoint or a file of any batch size predicts at once
            unless told otherwise; 1 where images differ in shape.
    """

    name: ClassVar[str]
    config_class: ClassVar[type[Config]]
    benchmark: ClassVar[Benchmark]
    headline: ClassVar[Mapping[str, str]]
    picture_folders: ClassVar[tuple[str, ...]] = ()
    agreement_title: ClassVar[str] = ""
    prediction_batch: ClassVar[int] = 1

    def network_names(self, pattern: str = "*") -> list[str]:
        """Return the sorted names of registered networks that match a shell pattern."""
        return list_networks(self.config_class.networks, pattern)

    @abstractmethod
    def create(self, name: str, **arguments: Any) -> ModelT:
        """Create a registered network; the arguments are those of :func:`acmix.create_model`."""

    @abstractmethod
    def network_keys(self, name: str) -> list[str]:
        """Return ``key=value`` strings that select a registered network in a configuration."""

    def has_masks(self, name: str) -> bool:
        """Return whether a registered network predicts :class:`.Masked`."""
        return False

    def network_config(self, name: str, overrides: Sequence[str] = ()) -> ConfigT:
        """Return the default configuration of a registered network, updated by ``overrides``."""
        keys = [f"task={self.name}", *self.network_keys(name), *overrides]
        return cast(ConfigT, load_config(None, keys))

    @abstractmethod
    def build_model(self, config: ConfigT, num_classes: int) -> ModelT:
        """Create the configured network."""

    def count_classes(self, config: ConfigT, shapes: Mapping[str, tuple[int, ...]]) -> int | None:
        """Return the number of classes of weights; None if they lack what depends on it.

        Args:
            config: configuration of the network.
            shapes: shapes of the weights by name.
        """
        few, more = (self._shapes(config, count) for count in (2, 3))
        for name, shape in few.items():
            sizes = shape, more[name], shapes.get(name, ())
            if shape == more[name] or len(sizes[2]) != len(shape):
                continue
            for two, three, size in zip(*sizes, strict=True):
                # Sizes are linear: a head has K outputs, or K for each anchor and others.
                if three > two and size > 0 and (size - two) % (three - two) == 0:
                    return 2 + (size - two) // (three - two)
        return None

    def _shapes(self, config: ConfigT, num_classes: int) -> dict[str, tuple[int, ...]]:
        model = self.build_model(config, num_classes)
        return {parameter.name: tuple(parameter.shape) for parameter in model.get_parameters()}

    @abstractmethod
    def backbone(self, model: ModelT) -> Backbone:
        """Return the part that can load classifier weights; for a classifier, ``model``."""

    @abstractmethod
    def objective(self, config: ConfigT, model: ModelT, val_data: Any = None) -> Objective:
        """Return the training objective; evaluation requires the data set ``val_data``."""

    @abstractmethod
    def benchmark_objective(self, model: ModelT) -> Objective:
        """Return the training objective for speed measurements."""

    @abstractmethod
    def target_specs(
        self, config: ConfigT, shape: Sequence[int], num_classes: int
    ) -> tuple[Tensor, ...]:
        """Return tensors without data, as targets of training images of ``shape`` (B, C, H, W)."""

    @abstractmethod
    def random_targets(
        self, model: ModelT, shape: Sequence[int], rng: np.random.Generator
    ) -> tuple[np.ndarray, ...]:
        """Return random training targets for images of ``shape`` (B, C, H, W)."""

    @abstractmethod
    def image_shape(self, config: ConfigT) -> ImageShape:
        """Return the shape (C, H, W) of the largest evaluation images."""

    def check_input_size(self, config: ConfigT) -> None:  # default: all sizes are supported
        """Raise UserError if networks of the task can only be exported for the evaluation size."""

    def check_raw(self, name: str) -> None:  # default: post-processing can be left out
        """Raise UserError if a registered network is only deployed with post-processing."""

    def check_dynamic_batch(self) -> None:  # default: any number of images
        """Raise UserError if post-processing needs a fixed number of images."""

    def compare(self, actual: Outputs, expected: Outputs, precision: str, what: str) -> float:
        """Return the difference of a file's outputs, see :data:`acmix.export.verify.Compare`."""
        return checked_difference(actual, expected, precision, what)

    @abstractmethod
    def deployed(self, model: nn.Cell, post_process: bool = True) -> nn.Cell:
        """Return the network from images to outputs that is exported.

        Args:
            model: the network, or its inference form.
            post_process: whether to include all post-processing.
        """

    @abstractmethod
    def describe(
        self,
        config: ConfigT,
        model: ModelT,
        post_process: bool = True,
        about: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return ``preprocess`` and ``post_process`` for the metadata file (side-car).

        Args:
            config: configuration of the network.
            model: the network.
            post_process: see :meth:`deployed`.
            about: what its checkpoint says of its run, see :mod:`acmix.engine.identity`.
        """

    def for_prediction(
        self, config: ConfigT, model: ModelT, about: Mapping[str, Any]
    ) -> tuple[nn.Cell, dict[str, Any]]:
        """Return the network with which ``acmix predict`` runs a checkpoint, and its description.

        Default: the one that is exported.
        """
        return self.deployed(model), self.describe(config, model, about=about)

    @abstractmethod
    def reader(
        self,
        description: Mapping[str, Any],
        classes: Sequence[str],
        shape: tuple[int, ...] | None,
        top: int,
    ) -> Reader:
        """Return the reader for a network with the ``description`` of :meth:`describe`.

        Args:
            description: ``preprocess`` and ``post_process``.
            classes: class names in the order of the labels.
            shape: (C, H, W) of a network with a fixed input size; None for any size.
            top: classes per image, for classifiers.

        Raises:
            UserError: ``description`` is not a valid result of :meth:`describe`.
        """

    def truth(self, data: Any, index: int, image: Image.Image) -> Image.Image:
        """Return a picture of the targets of an image, drawn as predictions are.

        Args:
            data: validation split.
            index: position of the image in it.
            image: RGB.

        Raises:
            UserError: the task has no such pictures.
        """
        raise UserError(f"--pictures: task={self.name} has no pictures of its targets.")

    def agreement(self, data: Any, index: int, prediction: Any) -> float:
        """Return how well the prediction of a validation image fits its targets, from 0 to 1.

        The worst images of a report have the least. NaN is for images without any target.

        Args:
            data: validation split.
            index: position of the image in it.
            prediction: of the task's reader, with all classes of a classifier.

        Raises:
            UserError: the task has no such measure.
        """
        raise UserError(f"--images: task={self.name} has no measure of its worst images.")

    def report(self, metric: MetricT, classes: Sequence[str]) -> dict[str, Any]:
        """Return the metrics and ``per_class`` values that ``acmix eval --json`` writes."""
        # A head may have more outputs than the data set has classes.
        per_class = dict(zip(classes, metric.per_class().tolist(), strict=False))
        return {**metric.compute(), "per_class": per_class}

    def write_evaluation(self, metric: MetricT, classes: Sequence[str], folder: Path) -> None:
        """Write what a run keeps of its last evaluation, see :func:`write_report`."""
        write_report(self.report(metric, classes), next(iter(self.headline.values())), folder)

    def check_eval_file(self, option: str, path: Path) -> None:  # default: any name will do
        """Raise UserError unless :meth:`write_eval_file` can write a file of that name."""

    @abstractmethod
    def write_eval_file(
        self, option: str, metric: MetricT, classes: Sequence[str], path: Path
    ) -> None:
        """Write the file of an option in ``config_class.eval_files``."""


TASKS: Registry[Task[Any, Any, Any]] = Registry("task")
"""Tasks by name."""


T = TypeVar("T", bound=type[Task[Any, Any, Any]])


def register_task(cls: T) -> T:
    """Register a task under the name in its configuration class."""
    (cls.name,) = get_args(annotations_of(cls.config_class)["task"])
    TASKS.add(cls.name, cls())
    return cls


def get_task(name: str) -> Task[Any, Any, Any]:
    """Return the task ``name``; raise UserError with suggestions if unknown."""
    return TASKS[name]


def task_of_network(name: str) -> Task[Any, Any, Any]:
    """Return the task of a registered network; raise UserError with suggestions if unknown."""
    names = {network: task for task in TASKS.values() for network in task.network_names()}
    if name not in names:
        raise UserError(f"model '{name}' is unknown.{suggest(name, names)}")
    return names[name]


def fixed_size(shape: tuple[int, ...] | None) -> tuple[int, int] | None:
    """Return height and width of a side-car's images (C, H, W); None for any size.

    Raises:
        UserError: ``shape`` has another number of axes.
    """
    if shape is None:
        return None
    check(
        len(shape) == 3,
        f"the side-car's input must be (B, C, H, W), got images of shape {shape}.",
    )
    return shape[1], shape[2]


def model_arguments(config: Config) -> dict[str, Any]:
    """Return the configured arguments of :func:`acmix.create_model` except ``num_classes``."""
    return {
        "in_channels": config.data.channels,
        "drop_path_rate": config.model.drop_path_rate,
        **config.model.kwargs,
    }

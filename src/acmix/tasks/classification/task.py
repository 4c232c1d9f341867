"""Image classification: images to logits, cross entropy, accuracy."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn
from PIL import Image

from acmix.config import ClassificationConfig
from acmix.data import ImageDataset, Preprocess
from acmix.errors import UserError, check
from acmix.models import Backbone, create_model
from acmix.tasks.base import Benchmark, ImageShape, model_arguments, register_task
from acmix.tasks.classification.metric import ClassificationMetric
from acmix.tasks.classification.objective import ClassificationObjective
from acmix.tasks.classification.prediction import ClassificationReader, Classified
from acmix.tasks.confusion_files import ConfusionTask
from acmix.tasks.drawing import caption


@register_task
class ClassificationTask(ConfusionTask[ClassificationConfig, Backbone, ClassificationMetric]):
    """Prediction of one class per image."""

    config_class = ClassificationConfig
    benchmark = Benchmark(  # ImageNet-1k
        num_classes=1000, training_images=1_281_167, image_size=(224, 224)
    )

    headline: ClassVar[Mapping[str, str]] = {"top1": "top-1", "top5": "top-5"}
    agreement_title = "probability of the true class"
    prediction_batch = 8

    def create(self, name: str, **arguments: Any) -> Backbone:
        """Create a registered model."""
        return create_model(name, **arguments)

    def network_keys(self, name: str) -> list[str]:
        """Return the key of a registered model."""
        return [f"model.name={name}"]

    def build_model(self, config: ClassificationConfig, num_classes: int) -> Backbone:
        """Create the configured classifier.

        Raises:
            UserError: the data set has a single class, and ``model.num_classes`` is not set.
        """
        check(
            num_classes != 1 or config.model.num_classes is not None,
            f"data.root={config.data.root} holds one class; a classifier needs two. Sort the "
            "images into a folder for each class, or set model.num_classes.",
        )
        return create_model(config.model.name, num_classes=num_classes, **model_arguments(config))

    def backbone(self, model: Backbone) -> Backbone:
        """Return the classifier, which is a complete backbone."""
        return model

    def objective(
        self, config: ClassificationConfig, model: Backbone, val_data: Any = None
    ) -> ClassificationObjective:
        """Return the configured cross entropy, and accuracy."""
        return ClassificationObjective(model, model.num_classes, config.loss.label_smoothing)

    def benchmark_objective(self, model: Backbone) -> ClassificationObjective:
        """Return cross entropy without label smoothing."""
        return ClassificationObjective(model, model.num_classes)

    def target_specs(
        self, config: ClassificationConfig, shape: Sequence[int], num_classes: int
    ) -> tuple[Tensor, ...]:
        """Return labels (B,), or (B, K) if samples are mixed."""
        if config.data.mixes:
            return (Tensor(shape=(shape[0], num_classes), dtype=ms.float32),)
        return (Tensor(shape=(shape[0],), dtype=ms.int32),)

    def random_targets(
        self, model: Backbone, shape: Sequence[int], rng: np.random.Generator
    ) -> tuple[np.ndarray, ...]:
        """Return labels (B,)."""
        return (rng.integers(model.num_classes, size=shape[0]).astype(np.int32),)

    def image_shape(self, config: ClassificationConfig) -> ImageShape:
        """Return (C, S, S)."""
        return config.data.channels, config.data.image_size, config.data.image_size

    def check_input_size(self, config: ClassificationConfig) -> None:
        """Raise UserError: images are cropped to ``data.image_size``."""
        raise UserError(
            "--input-size is for tasks whose images are not cropped; set data.image_size, which "
            f"is {config.data.image_size}."
        )

    def deployed(self, model: nn.Cell, post_process: bool = True) -> nn.Cell:
        """Return the classifier, from images to logits."""
        return model

    def describe(
        self,
        config: ClassificationConfig,
        model: Backbone,
        post_process: bool = True,
        about: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return the evaluation transform."""
        return {"preprocess": Preprocess.from_config(config.data).to_dict(), "post_process": {}}

    def reader(
        self,
        description: Mapping[str, Any],
        classes: Sequence[str],
        shape: tuple[int, ...] | None,
        top: int,
    ) -> ClassificationReader:
        """Return the reader for the described evaluation transform."""
        preprocess = Preprocess.from_dict(dict(description["preprocess"]))
        return ClassificationReader(preprocess, classes, top)

    def confusion_title(self, metric: ClassificationMetric) -> str:
        """Return top-1, and the number of images."""
        top1, count = metric.compute()["top1"], int(metric.confusion.sum())
        return f"top-1 {100 * top1:.1f} % of {count} images"

    def truth(self, data: ImageDataset, index: int, image: Image.Image) -> Image.Image:
        """Return the image with its class as caption."""
        label = data.label(index)
        return caption(image, data.classes[label] if label >= 0 else "unknown class")

    def agreement(self, data: ImageDataset, index: int, prediction: Classified) -> float:
        """Return the probability of the true class; NaN for one that the network does not know."""
        label = data.label(index)
        return prediction.probability(data.classes[label]) if label >= 0 else math.nan

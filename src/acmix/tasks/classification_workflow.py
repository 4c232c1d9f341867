"""Classification: logits to the most probable classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn

from acmix.config import Config
from acmix.data import ImageDataset, Preprocess
from acmix.engine.task import Metric
from acmix.export.predictor import Outputs
from acmix.models import Backbone
from acmix.tasks import ClassificationMetric, ClassificationTask
from acmix.tasks.drawing import caption


@dataclass(frozen=True)
class Classified:
    """The most probable classes of one image, best first."""

    image: str
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]

    def lines(self) -> list[str]:
        """Return a line per class."""
        ranked = zip(self.classes, self.probabilities, strict=True)
        return [f"{100 * probability:6.2f} %  {name}" for name, probability in ranked]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    def draw(self, path: Path) -> None:
        """Write the image under the name of its most probable class."""
        caption(self.image, path, f"{self.classes[0]} {100 * self.probabilities[0]:.0f} %")


class ClassificationReader:
    """Centre crops in, ranked classes out.

    Args:
        preprocess: the evaluation transform.
        classes: names in the order of the logits.
        top: classes per image.
    """

    def __init__(self, preprocess: Preprocess, classes: Sequence[str], top: int):
        self.preprocess, self.classes, self.top = preprocess, tuple(classes), top

    def read(self, path: str) -> tuple[np.ndarray, None]:
        """Return the tensor (C, S, S) of an image file."""
        return self.preprocess.read(path), None

    def explain(self, path: str, outputs: Outputs, found: None) -> Classified:
        """Rank logits (K,)."""
        logits = cast(np.ndarray, outputs).astype(np.float64)
        exponent = np.exp(logits - logits.max())
        probability = exponent / exponent.sum()
        best = np.argsort(-probability, kind="stable")[: self.top]
        # A head may have more outputs than the data set has classes.
        names = [self.classes[i] if i < len(self.classes) else f"class {i}" for i in best]
        return Classified(path, tuple(names), tuple(float(probability[i]) for i in best))


class ClassificationWorkflow:
    """See :class:`acmix.tasks.workflow.Workflow`."""

    num_classes = 1000  # of ImageNet-1k

    def task(
        self, config: Config, model: nn.Cell, val_data: ImageDataset | None
    ) -> ClassificationTask:
        """Return cross entropy and accuracies for a classifier."""
        classes = cast(Backbone, model).num_classes
        return ClassificationTask(model, classes, config.loss.label_smoothing)

    def targets(self, config: Config, batch_size: int, num_classes: int) -> tuple[Tensor, ...]:
        """Return labels (B,), or (B, K) where samples are mixed."""
        if config.data.mixes:
            return (Tensor(shape=(batch_size, num_classes), dtype=ms.float32),)
        return (Tensor(shape=(batch_size,), dtype=ms.int32),)

    def image_shape(self, config: Config) -> tuple[int, int, int]:
        """Return (C, S, S)."""
        return config.data.channels, config.data.image_size, config.data.image_size

    def deployed(self, model: nn.Cell, format: str) -> nn.Cell:
        """Return the classifier itself: images to logits."""
        return model

    def describe(self, config: Config, model: nn.Cell, format: str) -> dict[str, Any]:
        """Return the evaluation transform."""
        return {"preprocess": Preprocess.from_config(config.data).to_dict(), "post_process": {}}

    def reader(
        self,
        described: Mapping[str, Any],
        classes: Sequence[str],
        shape: tuple[int, ...] | None,
        top: int,
    ) -> ClassificationReader:
        """Return the reader of a network so described."""
        preprocess = Preprocess.from_dict(dict(described["preprocess"]))
        return ClassificationReader(preprocess, classes, top)

    def report(self, metric: Metric, classes: Sequence[str]) -> dict[str, Any]:
        """Return metrics and accuracy per class."""
        per_class = cast(ClassificationMetric, metric).per_class_accuracy()
        of_classes = {name: float(per_class[i]) for i, name in enumerate(classes)}
        return {**metric.compute(), "per_class": of_classes}

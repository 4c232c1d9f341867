"""Semantic segmentation: images to a class for each pixel."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn
from PIL import Image

from acmix.config import SegmentationConfig
from acmix.config.segmentation import IGNORED_LABEL
from acmix.data import SegmentationDataset, SegmentationPreprocess
from acmix.models import Backbone
from acmix.models.registry import split_name
from acmix.models.segmentation import Segmenter, create_segmenter
from acmix.tasks.base import (
    Benchmark,
    ImageShape,
    fixed_size,
    model_arguments,
    register_task,
)
from acmix.tasks.confusion_files import ConfusionTask
from acmix.tasks.segmentation.metric import SegmentationMetric
from acmix.tasks.segmentation.objective import (
    SegmentationLabels,
    SegmentationLogits,
    SegmentationObjective,
    logits_network,
)
from acmix.tasks.segmentation.prediction import (
    COLOURS_FOLDER,
    LABELS_FOLDER,
    PixelOutputs,
    SegmentationReader,
    Segmented,
    pixel_outputs,
    true_labels,
)


@register_task
class SegmentationTask(ConfusionTask[SegmentationConfig, Segmenter, SegmentationMetric]):
    """Prediction of one class per pixel.

    Exported files output the labels of the input's pixels, or the head's logits, from which the
    reader finds the labels at the image's own size as evaluation does.
    """

    config_class = SegmentationConfig
    benchmark = Benchmark(  # ADE20K, as in the paper's Tab. 2
        num_classes=150, training_images=20_210, image_size=(512, 2048)
    )

    headline: ClassVar[Mapping[str, str]] = {"mIoU": "mIoU", "mAcc": "mAcc", "aAcc": "aAcc"}
    picture_folders = LABELS_FOLDER, COLOURS_FOLDER
    agreement_title = "share of the pixels that are right"

    def create(self, name: str, **arguments: Any) -> Segmenter:
        """Create a registered segmenter; the arguments are those of the backbone."""
        return create_segmenter(name, backbone=arguments)

    def network_keys(self, name: str) -> list[str]:
        """Return the keys of a registered segmenter and its backbone."""
        segmenter, model = split_name(self.config_class.networks, name)
        return [f"segmenter.name={segmenter}", f"model.name={model}"]

    def build_model(self, config: SegmentationConfig, num_classes: int) -> Segmenter:
        """Create the configured segmenter."""
        return create_segmenter(
            config.network_name,
            num_classes=num_classes,
            backbone=model_arguments(config),
            **config.segmenter.kwargs,
        )

    def backbone(self, model: Segmenter) -> Backbone:
        """Return the segmenter's backbone."""
        return model.backbone

    def objective(
        self,
        config: SegmentationConfig,
        model: Segmenter,
        val_data: SegmentationDataset | None = None,
    ) -> SegmentationObjective:
        """Return the segmenter's losses, and mean intersection over union."""
        return SegmentationObjective(model, val_data, logits_network(config, model))

    def benchmark_objective(self, model: Segmenter) -> SegmentationObjective:
        """Return the segmenter's losses."""
        return SegmentationObjective(model)

    def target_specs(
        self, config: SegmentationConfig, shape: Sequence[int], num_classes: int
    ) -> tuple[Tensor, ...]:
        """Return labels (B, H, W)."""
        batch, _, height, width = shape
        return (Tensor(shape=(batch, height, width), dtype=ms.int32),)

    def random_targets(
        self, model: Segmenter, shape: Sequence[int], rng: np.random.Generator
    ) -> tuple[np.ndarray, ...]:
        """Return labels (B, H, W)."""
        batch, _, height, width = shape
        return (rng.integers(model.num_classes, size=(batch, height, width)).astype(np.int32),)

    def image_shape(self, config: SegmentationConfig) -> ImageShape:
        """Return (C, S, S) of the training crop: evaluated images have any shape."""
        return config.data.channels, config.data.crop_size, config.data.crop_size

    def deployed(self, model: nn.Cell, post_process: bool = True) -> nn.Cell:
        """Return the network from images to labels, or to logits."""
        return (SegmentationLabels if post_process else SegmentationLogits)(model)

    def describe(
        self,
        config: SegmentationConfig,
        model: Segmenter,
        post_process: bool = True,
        about: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return the evaluation transform, the kind of output and the colours of the classes."""
        return {
            "preprocess": SegmentationPreprocess.from_config(config.data).to_dict(),
            "post_process": pixel_outputs("labels" if post_process else "logits", about or {}),
        }

    def for_prediction(
        self, config: SegmentationConfig, model: Segmenter, about: Mapping[str, Any]
    ) -> tuple[nn.Cell, dict[str, Any]]:
        """Return the network to logits: labels at the image's own size are then exact."""
        network = logits_network(config, model)
        return network, self.describe(config, model, False, about)

    def reader(
        self,
        description: Mapping[str, Any],
        classes: Sequence[str],
        shape: tuple[int, ...] | None,
        top: int,
    ) -> SegmentationReader:
        """Return the reader for the described transform and output."""
        size = fixed_size(shape)
        return SegmentationReader(
            SegmentationPreprocess.from_dict(dict(description["preprocess"])),
            PixelOutputs.from_dict(dict(description["post_process"])),
            classes,
            size,
        )

    def truth(self, data: SegmentationDataset, index: int, image: Image.Image) -> Image.Image:
        """Return the image under its labels with a legend."""
        return true_labels(data.names[index], data, index).picture(image)

    def agreement(self, data: SegmentationDataset, index: int, prediction: Segmented) -> float:
        """Return the share of the labelled pixels that are right; NaN if none is labelled."""
        truth = data.ground_truth(index)
        labelled = truth != IGNORED_LABEL
        right = prediction.labels[labelled] == truth[labelled]
        return float(right.mean()) if right.size else math.nan

    def report(self, metric: SegmentationMetric, classes: Sequence[str]) -> dict[str, Any]:
        """Return the metrics, and intersection over union and accuracy of each class."""
        accuracy = dict(zip(classes, metric.class_accuracy().tolist(), strict=False))
        return {**super().report(metric, classes), "per_class_accuracy": accuracy}

    def confusion_title(self, metric: SegmentationMetric) -> str:
        """Return mean intersection over union, and the share of pixels that are right."""
        values, count = metric.compute(), int(metric.confusion.sum())
        accuracy = f"{100 * values['aAcc']:.1f} % of {count} pixels are right"
        return f"mIoU {100 * values['mIoU']:.1f} %; {accuracy}"

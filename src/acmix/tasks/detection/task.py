"""Object detection: images to boxes with classes and scores."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, cast

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn
from PIL import Image

from acmix.config import DetectionConfig, DetectionDataConfig
from acmix.config.detection import CROP_MAXIMUM
from acmix.data import DetectionDataset, DetectionPreprocess
from acmix.errors import UserError, check
from acmix.export.outputs import Outputs
from acmix.models import Backbone
from acmix.models.detection import (
    Detector,
    HostPostProcess,
    OneStageDetector,
    PostProcess,
    create_detector,
)
from acmix.models.registry import network_classes, split_name
from acmix.tasks.base import (
    Benchmark,
    ImageShape,
    Task,
    fixed_size,
    model_arguments,
    register_task,
)
from acmix.tasks.detection.agreement import MATCHED, f1_score
from acmix.tasks.detection.comparison import aligned
from acmix.tasks.detection.metric import DetectionMetric
from acmix.tasks.detection.objective import (
    DecodedInference,
    DetectionInference,
    DetectionObjective,
)
from acmix.tasks.detection.prediction import Detected, DetectionReader
from acmix.tasks.drawing import draw_objects
from acmix.utils.files import write_text

BOXES = 8
"""Number of random boxes per image; COCO has 7.3 on average."""


@register_task
class DetectionTask(Task[DetectionConfig, Detector, DetectionMetric]):
    """Prediction of boxes.

    Exported files output detections, or, of detectors of one stage and on request, the logits and
    boxes of all anchors, and the reader completes the post-processing.
    """

    config_class = DetectionConfig
    benchmark = Benchmark(  # COCO; the images of train2017 with at least one box
        num_classes=80, training_images=117_266, image_size=(800, 1333)
    )

    headline: ClassVar[Mapping[str, str]] = {
        "bbox_mAP": "box AP",
        "bbox_mAP_50": "box AP50",
        "segm_mAP": "mask AP",
        "segm_mAP_50": "mask AP50",
    }
    agreement_title = f"F1 of the objects shown, by boxes at IoU {MATCHED}"

    def create(self, name: str, **arguments: Any) -> Detector:
        """Create a registered detector; the arguments are those of the backbone."""
        return create_detector(name, backbone=arguments)

    def network_keys(self, name: str) -> list[str]:
        """Return the keys of a registered detector and its backbone."""
        detector, model = split_name(self.config_class.networks, name)
        masks = self.has_masks(name)
        return [
            f"detector.name={detector}",
            f"model.name={model}",
            f"data.masks={str(masks).lower()}",
        ]

    def has_masks(self, name: str) -> bool:
        """Return whether a registered detector learns and predicts masks."""
        return self._class(name).has_masks

    def _class(self, name: str) -> type[Detector]:
        detector: type[Detector] = network_classes(self.config_class.networks, name)[0]
        return detector

    def build_model(self, config: DetectionConfig, num_classes: int) -> Detector:
        """Create the configured detector."""
        section = config.detector
        self._check_masks(config)
        post_process = PostProcess(
            score_threshold=section.score_threshold,
            nms_threshold=section.nms_threshold,
            max_detections=section.max_detections,
        )
        return create_detector(
            config.network_name,
            num_classes=num_classes,
            frozen_stages=section.frozen_stages,
            frozen_norm=section.frozen_norm,
            post_process=post_process,
            backbone=model_arguments(config),
            **section.kwargs,
        )

    def _check_masks(self, config: DetectionConfig) -> None:
        """Refuse a data set without the masks that a detector learns, or with masks for nothing."""
        learns = self.has_masks(config.network_name)
        check(
            config.data.masks == learns,
            f"data.masks={str(config.data.masks).lower()}: detector.name={config.detector.name} "
            f"{'learns masks, too' if learns else 'learns boxes alone'}; set data.masks to "
            f"{str(learns).lower()}.",
        )

    def backbone(self, model: Detector) -> Backbone:
        """Return the detector's backbone."""
        return model.backbone

    def objective(
        self, config: DetectionConfig, model: Detector, val_data: DetectionDataset | None = None
    ) -> DetectionObjective:
        """Return the detector's losses and COCO average precision."""
        if val_data is None:
            return self.benchmark_objective(model)
        return DetectionObjective(
            model, val_data.ground_truth, val_data.image_ids, val_data.category_ids
        )

    def benchmark_objective(self, model: Detector) -> DetectionObjective:
        """Return the detector's losses."""
        return DetectionObjective(model)

    def target_specs(
        self, config: DetectionConfig, shape: Sequence[int], num_classes: int
    ) -> tuple[Tensor, ...]:
        """Return boxes (B, M, 4), labels (B, M), sizes (B, 2) and perhaps masks (B, M, S, S)."""
        data = config.data
        boxes = shape[0], data.max_boxes
        specs = (
            Tensor(shape=(*boxes, 4), dtype=ms.float32),
            Tensor(shape=boxes, dtype=ms.int32),
            Tensor(shape=(shape[0], 2), dtype=ms.float32),
        )
        if not data.masks:
            return specs
        return *specs, Tensor(shape=(*boxes, data.mask_size, data.mask_size), dtype=ms.uint8)

    def random_targets(
        self, model: Detector, shape: Sequence[int], rng: np.random.Generator
    ) -> tuple[np.ndarray, ...]:
        """Return boxes (B, M, 4) in pixels, labels, sizes, and perhaps masks (B, M, S, S)."""
        batch, _, height, width = shape
        corners = np.sort(rng.random((batch, BOXES, 2, 2)), 2).reshape(batch, BOXES, 4)
        boxes = (corners * [width, height, width, height]).astype(np.float32)
        labels = rng.integers(model.num_classes, size=(batch, BOXES)).astype(np.int32)
        sizes = np.tile(np.array([height, width], np.float32), (batch, 1))
        if not model.has_masks:
            return boxes, labels, sizes
        side = DetectionDataConfig().mask_size
        masks = rng.integers(2, size=(batch, BOXES, side, side)) * CROP_MAXIMUM
        return boxes, labels, sizes, masks.astype(np.uint8)

    def image_shape(self, config: DetectionConfig) -> ImageShape:
        """Return (C, H, W) of the largest landscape bucket."""
        shapes = DetectionPreprocess.from_config(config.data).shapes
        height, width = max(shapes, key=lambda shape: (shape[0] * shape[1], shape[1]))
        return config.data.channels, height, width

    def check_raw(self, name: str) -> None:
        """Refuse detectors of two stages, which suppress boxes in their midst."""
        check(
            issubclass(self._class(name), OneStageDetector),
            f"raw: {name} cannot be exported without post-processing: it suppresses boxes in its "
            "midst; leave --raw out.",
        )

    def check_dynamic_batch(self) -> None:
        """Refuse an open number of images: boxes are suppressed image by image."""
        raise UserError(
            "dynamic_batch: post-processing of detectors takes a fixed number of images; set "
            "--batch-size, or leave post-processing out with --raw."
        )

    def compare(self, actual: Outputs, expected: Outputs, precision: str, what: str) -> float:
        """Compare the same detections, in whatever order; else what is there for each anchor."""
        if isinstance(actual, tuple) and isinstance(expected, tuple) and len(expected) > 2:
            actual, expected = aligned(actual, expected, precision, what)
        return super().compare(actual, expected, precision, what)

    def deployed(self, model: nn.Cell, post_process: bool = True) -> nn.Cell:
        """Return the network from images to detections, or to logits and boxes of all anchors.

        The latter is for detectors that :meth:`check_raw` does not refuse.
        """
        return (DetectionInference if post_process else DecodedInference)(model)

    def describe(
        self,
        config: DetectionConfig,
        model: Detector,
        post_process: bool = True,
        about: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Return the evaluation transform and the post-processing left to the host."""
        on_host = {}
        if not post_process:
            self.check_raw(config.network_name)
            on_host = HostPostProcess.of(cast(OneStageDetector, model)).to_dict()
        preprocess = DetectionPreprocess.from_config(config.data)
        return {"preprocess": preprocess.to_dict(), "post_process": on_host}

    def reader(
        self,
        description: Mapping[str, Any],
        classes: Sequence[str],
        shape: tuple[int, ...] | None,
        top: int,
    ) -> DetectionReader:
        """Return the reader for the described transform and host post-processing."""
        on_host = description["post_process"]
        size = fixed_size(shape)
        return DetectionReader(
            DetectionPreprocess.from_dict(dict(description["preprocess"])),
            classes,
            size,
            HostPostProcess.from_dict(on_host) if on_host else None,
        )

    def truth(self, data: DetectionDataset, index: int, image: Image.Image) -> Image.Image:
        """Return the image with its annotated objects, in the colours of predictions."""
        record = data.objects(index)
        names = [data.classes[label] for label in record.labels]
        colours = record.labels if record.masks is None else np.arange(len(names))
        return draw_objects(image, record.boxes, names, colours.tolist(), record.masks or ())

    def agreement(self, data: DetectionDataset, index: int, prediction: Detected) -> float:
        """Return the F1 score of the objects that are shown, see :func:`.f1_score`."""
        return f1_score(prediction, data.objects(index))

    def report(self, metric: DetectionMetric, classes: Sequence[str]) -> dict[str, Any]:
        """Return the metrics and ``per_class`` values, of masks as ``per_class_segm``."""
        report = super().report(metric, classes)
        if "segm" in metric.kinds:
            per_class = metric.per_class("segm").tolist()
            report["per_class_segm"] = dict(zip(classes, per_class, strict=False))
        return report

    def write_eval_file(
        self, option: str, metric: DetectionMetric, classes: Sequence[str], path: Path
    ) -> None:
        """Write the detections as a COCO result list."""
        write_text(path, json.dumps(metric.results))

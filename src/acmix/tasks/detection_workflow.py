"""Detection: whole images in, boxes with classes and scores out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn

from acmix.config import Config
from acmix.data import DetectionDataset, DetectionPreprocess
from acmix.data.decode import DecodeError, decode
from acmix.engine.task import Metric
from acmix.errors import UserError, check
from acmix.export.formats import FORMATS
from acmix.export.predictor import Outputs
from acmix.models.detection import Detector, HostPostProcess
from acmix.tasks import DetectionMetric, DetectionTask
from acmix.tasks.detection import DecodedInference, DetectionInference
from acmix.tasks.drawing import draw_boxes


@dataclass(frozen=True)
class Detected:
    """The objects found in one image, best first.

    Attributes:
        image: path.
        boxes: (D, 4), x1, y1, x2, y2 in pixels of the image.
        scores: (D,).
        labels: (D,), indices of the classes.
        classes: their names.
    """

    image: str
    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]

    def lines(self) -> list[str]:
        """Return a line per object."""
        if not len(self.boxes):
            return ["nothing found"]
        return [
            f"{100 * score:6.2f} %  {name}  {' '.join(f'{side:.1f}' for side in box)}"
            for box, score, name in zip(self.boxes, self.scores, self.classes, strict=True)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        objects = zip(self.boxes.tolist(), self.scores.tolist(), self.classes, strict=True)
        return {
            "image": self.image,
            "objects": [
                {"class": name, "score": score, "box": box} for box, score, name in objects
            ],
        }

    def draw(self, path: Path) -> None:
        """Write the image with the boxes, their classes and scores."""
        texts = [
            f"{name} {100 * score:.0f} %"
            for name, score in zip(self.classes, self.scores, strict=True)
        ]
        draw_boxes(self.image, path, self.boxes, texts, self.labels.tolist())


class Placement(NamedTuple):
    """How an image lies in the network's input."""

    scale: np.ndarray
    """(2,): pixels of the input per pixel of the image along x and y."""
    size: tuple[int, int]
    """Width and height of the image."""
    shape: tuple[int, int]
    """Height and width of the input."""


class DetectionReader:
    """Resized and padded images in, boxes in pixels of the images out.

    Args:
        preprocess: the evaluation transform.
        classes: names in the order of the labels.
        shape: (height, width) if the network takes no other.
        post_process: what is left to do after the network; None if nothing is.
    """

    def __init__(
        self,
        preprocess: DetectionPreprocess,
        classes: Sequence[str],
        shape: tuple[int, int] | None,
        post_process: HostPostProcess | None,
    ):
        self.preprocess, self.classes, self.shape = preprocess, tuple(classes), shape
        self.post_process = post_process

    def read(self, path: str) -> tuple[np.ndarray, Placement]:
        """Return the tensor (C, H, W) of an image file, and how the image lies in it.

        Raises:
            UserError: no such file, or no image; names the path.
        """
        try:
            image = decode(Path(path).read_bytes(), self.preprocess.channels)
        except (OSError, DecodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UserError(f"cannot read image {path}: {reason}.") from error
        shape = self.shape or self.preprocess.bucket(*image.size)
        tensor, scale = self.preprocess.transform(image, shape)
        return tensor, Placement(scale, image.size, shape)

    def explain(self, path: str, outputs: Outputs, found: Placement) -> Detected:
        """Turn one image's outputs into objects."""
        if self.post_process is not None:
            logits, of_anchors = outputs
            outputs = self.post_process(logits, of_anchors, *found.shape)
        boxes, scores, labels = (np.asarray(output) for output in outputs)
        # A head may have more classes than the data set.
        kept = (labels >= 0) & (labels < len(self.classes))
        boxes, scores, labels = boxes[kept], scores[kept], labels[kept]
        boxes = np.clip(boxes / np.tile(found.scale, 2), 0, np.tile(found.size, 2))
        names = tuple(self.classes[label] for label in labels)
        return Detected(path, boxes, scores, labels, names)


class DetectionWorkflow:
    """See :class:`acmix.tasks.workflow.Workflow`.

    MindIR and AIR hold all of the post-processing. ONNX, whose exporter knows no non-maximum
    suppression, ends with the logits and boxes of all anchors.
    """

    num_classes = 80  # of COCO

    def task(
        self, config: Config, model: nn.Cell, val_data: DetectionDataset | None
    ) -> DetectionTask:
        """Return the detector's own losses and COCO's average precision."""
        if val_data is None:
            return DetectionTask(cast(Detector, model))
        return DetectionTask(
            cast(Detector, model), val_data.ground_truth, val_data.image_ids, val_data.category_ids
        )

    def targets(self, config: Config, batch_size: int, num_classes: int) -> tuple[Tensor, ...]:
        """Return boxes (B, M, 4) and labels (B, M)."""
        boxes = batch_size, config.data.max_boxes
        return (
            Tensor(shape=(*boxes, 4), dtype=ms.float32),
            Tensor(shape=boxes, dtype=ms.int32),
        )

    def image_shape(self, config: Config) -> tuple[int, int, int]:
        """Return (C, H, W) of the largest lying bucket."""
        shapes = DetectionPreprocess.from_config(config.data).shapes
        height, width = max(shapes, key=lambda shape: (shape[0] * shape[1], shape[1]))
        return config.data.channels, height, width

    def deployed(self, model: nn.Cell, format: str) -> nn.Cell:
        """Return images to detections, for ONNX images to logits and boxes of all anchors."""
        whole = FORMATS[format].holds_post_processing
        return (DetectionInference if whole else DecodedInference)(cast(Detector, model))

    def describe(self, config: Config, model: nn.Cell, format: str) -> dict[str, Any]:
        """Return the evaluation transform, and for ONNX what is left to do."""
        left: dict[str, Any] = {}
        if not FORMATS[format].holds_post_processing:
            left = HostPostProcess.of(cast(Detector, model)).to_dict()
        preprocess = DetectionPreprocess.from_config(config.data)
        return {"preprocess": preprocess.to_dict(), "post_process": left}

    def reader(
        self,
        described: Mapping[str, Any],
        classes: Sequence[str],
        shape: tuple[int, ...] | None,
        top: int,
    ) -> DetectionReader:
        """Return the reader of a network so described."""
        left = described["post_process"]
        check(
            shape is None or len(shape) == 3,
            f"the side-car's input must be (B, C, H, W), got images of shape {shape}.",
        )
        return DetectionReader(
            DetectionPreprocess.from_dict(dict(described["preprocess"])),
            classes,
            None if shape is None else (shape[1], shape[2]),
            HostPostProcess.from_dict(left) if left else None,
        )

    def report(self, metric: Metric, classes: Sequence[str]) -> dict[str, Any]:
        """Return the twelve numbers, and the average precision of each class."""
        per_class = cast(DetectionMetric, metric).per_class().tolist()
        return {**metric.compute(), "per_class": dict(zip(classes, per_class, strict=True))}

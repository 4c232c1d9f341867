"""Reading a detector's outputs as objects in the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from acmix.data import DetectionPreprocess
from acmix.data.decode import DecodeError, decode
from acmix.errors import UserError
from acmix.export.outputs import Outputs
from acmix.models.detection import HostPostProcess
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

    def interpret(self, path: str, outputs: Outputs, found: Placement) -> Detected:
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

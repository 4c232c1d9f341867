"""Convert a detector's outputs to objects in the image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from acmix.data import DetectionPreprocess, rle
from acmix.data.decode import read_image
from acmix.export.outputs import Outputs, check_numbers
from acmix.models.detection import HostPostProcess
from acmix.models.detection.mask_paste import paste_masks
from acmix.tasks.drawing import draw_objects


@dataclass(frozen=True)
class Detected:
    """Detected objects of one image in descending order of score.

    Attributes:
        image: path.
        boxes: (D, 4), x1, y1, x2, y2 in pixels of the image.
        scores: (D,).
        labels: (D,), class indices.
        classes: class name of each object.
        size: width and height of the image in pixels.
        masks: (D, S, S), probability of each pixel of the boxes before they were cut at the image;
            None of a detector without masks.
        mask_boxes: (D, 4), these boxes.
    """

    image: str
    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    size: tuple[int, int]
    masks: np.ndarray | None = None
    mask_boxes: np.ndarray | None = None

    def bitmaps(self) -> Iterator[np.ndarray]:
        """Yield the mask (H, W) uint8 of each object, one at a time; none without masks."""
        if self.masks is not None and self.mask_boxes is not None:
            width, height = self.size
            yield from paste_masks(self.masks, self.mask_boxes, height, width)

    def lines(self) -> list[str]:
        """Return one line per object."""
        if not len(self.boxes):
            return ["nothing found"]
        return [
            f"{100 * score:6.2f} %  {name}  {' '.join(f'{side:.1f}' for side in box)}"
            for box, score, name in zip(self.boxes, self.scores, self.classes, strict=True)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        found = zip(self.boxes.tolist(), self.scores.tolist(), self.classes, strict=True)
        objects: list[dict[str, Any]] = [
            {"class": name, "score": score, "box": box} for box, score, name in found
        ]
        width, height = self.size
        for entry, bitmap in zip(objects, self.bitmaps(), strict=False):
            entry["segmentation"] = rle.to_json(rle.encode(bitmap), height, width)
        return {"image": self.image, "objects": objects}

    def draw(self, path: Path) -> None:
        """Write the image with masks, boxes, classes and scores.

        Boxes have a colour for each class. Masks have one for each object, which tells neighbours
        apart.
        """
        texts = [
            f"{name} {100 * score:.0f} %"
            for name, score in zip(self.classes, self.scores, strict=True)
        ]
        colours = self.labels if self.masks is None else np.arange(len(self.labels))
        draw_objects(self.image, path, self.boxes, texts, colours.tolist(), self.bitmaps())


class Placement(NamedTuple):
    """Position of an image in the network's input."""

    scale: np.ndarray
    """Pixels of the input per pixel of the image along x and y, (2,)."""
    size: tuple[int, int]
    """Width and height of the image."""
    shape: tuple[int, int]
    """Height and width of the input."""


class DetectionReader:
    """Converts image files to padded inputs, and outputs to boxes in pixels of the images.

    Args:
        preprocess: evaluation transform.
        classes: class names in the order of the labels.
        shape: (height, width) of a network with a fixed input size; None for any size.
        post_process: post-processing on the host; None if the network includes it.
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
        """Return the tensor (C, H, W) of an image file, and the position of the image in it.

        Raises:
            UserError: the file does not exist or is not an image; names the path.
        """
        image = read_image(path, self.preprocess.channels)
        shape = self.shape or self.preprocess.bucket(*image.size)
        tensor, scale = self.preprocess.transform(image, shape)
        return tensor, Placement(scale, image.size, shape)

    def interpret(self, path: str, outputs: Outputs, context: Placement) -> Detected:
        """Convert the outputs for one image to objects."""
        check_numbers(path, outputs)
        if self.post_process is not None:
            logits, anchor_boxes = outputs
            outputs = self.post_process(logits, anchor_boxes, *context.shape)
        boxes, scores, labels, *masks = (np.asarray(output) for output in outputs)
        # A head may have more outputs than the data set has classes.
        kept = (labels >= 0) & (labels < len(self.classes))
        boxes, scores, labels = boxes[kept] / np.tile(context.scale, 2), scores[kept], labels[kept]
        cut = np.clip(boxes, 0, np.tile(context.size, 2))
        names = tuple(self.classes[label] for label in labels)
        shown = (masks[0][kept], boxes) if masks else (None, None)
        return Detected(path, cut, scores, labels, names, context.size, *shown)

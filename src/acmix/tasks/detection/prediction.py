"""Convert a detector's outputs to objects in the image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from PIL import Image

from acmix.data import DetectionPreprocess, rle
from acmix.data.image_input import open_image
from acmix.export.outputs import Outputs, check_numbers
from acmix.models.detection import HostPostProcess
from acmix.models.detection.mask_paste import paste_masks
from acmix.tasks.drawing import draw_objects, open_picture
from acmix.tasks.picture_files import save_picture
from acmix.tasks.shown import Shown


@dataclass(frozen=True)
class Detected(Shown):
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
        hidden: number of objects that :meth:`above` has left out.
    """

    columns: ClassVar[tuple[str, ...]] = ("class", "score", "x1", "y1", "x2", "y2")

    image: str
    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    size: tuple[int, int]
    masks: np.ndarray | None = None
    mask_boxes: np.ndarray | None = None
    hidden: int = 0

    def above(self, score: float) -> Detected:
        """Return the objects whose score is at least ``score``."""
        kept = np.flatnonzero(self.scores >= score)
        masks, mask_boxes = (
            None if part is None else part[kept] for part in (self.masks, self.mask_boxes)
        )
        return replace(
            self,
            boxes=self.boxes[kept],
            scores=self.scores[kept],
            labels=self.labels[kept],
            classes=tuple(self.classes[i] for i in kept),
            masks=masks,
            mask_boxes=mask_boxes,
            hidden=self.hidden + len(self.scores) - len(kept),
        )

    def bitmaps(self) -> Iterator[np.ndarray]:
        """Yield the mask (H, W) uint8 of each object, one at a time; none without masks."""
        if self.masks is not None and self.mask_boxes is not None:
            width, height = self.size
            yield from paste_masks(self.masks, self.mask_boxes, height, width)

    def lines(self) -> list[str]:
        """Return one line per object, and one about those that are hidden."""
        lines = [
            f"{100 * score:6.2f} %  {name}  {' '.join(f'{side:.1f}' for side in box)}"
            for box, score, name in zip(self.boxes, self.scores, self.classes, strict=True)
        ]
        hidden = [f"{self.hidden} of lower scores not shown"] if self.hidden else []
        return (lines or ["nothing found"]) + hidden

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        found = zip(self.boxes.tolist(), self.scores.tolist(), self.classes, strict=True)
        objects: list[dict[str, Any]] = [
            {"class": name, "score": score, "box": box} for box, score, name in found
        ]
        width, height = self.size
        for entry, bitmap in zip(objects, self.bitmaps(), strict=False):
            entry["segmentation"] = rle.to_json(rle.encode(bitmap), height, width)
        return {"image": str(self.image), "objects": objects}

    def rows(self) -> list[tuple[Any, ...]]:
        """Return a row for each object: its class, its score, and its box in pixels."""
        found = zip(self.classes, self.scores.tolist(), self.boxes.tolist(), strict=True)
        return [(name, score, *box) for name, score, box in found]

    def picture(self, image: Image.Image | None = None) -> Image.Image:
        """Return the image with masks, boxes, classes and scores.

        Boxes have a colour for each class. Masks have one for each object, which tells neighbours
        apart.
        """
        texts = [
            f"{name} {100 * score:.0f} %"
            for name, score in zip(self.classes, self.scores, strict=True)
        ]
        colours = self.labels if self.masks is None else np.arange(len(self.labels))
        picture = image or open_picture(self.image)
        return draw_objects(picture, self.boxes, texts, colours.tolist(), self.bitmaps())

    def draw(self, path: str | Path) -> None:
        """Write the picture."""
        save_picture(self.picture(), path)


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
        return self.prepare(open_image(path, self.preprocess.channels))

    def prepare(self, image: Image.Image) -> tuple[np.ndarray, Placement]:
        """Return what :meth:`read` does, of a decoded image in the network's own mode."""
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

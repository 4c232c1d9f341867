"""Convert a segmenter's outputs to a label map of the image's own size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from acmix.config.typed import Section
from acmix.data import SegmentationPreprocess
from acmix.data.class_list import colour_map
from acmix.errors import check
from acmix.export.outputs import Outputs, check_numbers
from acmix.tasks.drawing import draw_labels, save_label_map
from acmix.tasks.segmentation.label_map import Shape, View, labels_of

LABELS_FOLDER, COLOURS_FOLDER = "labels", "colours"
"""Folders beside an overlay for the label map: grey, value k for class k; and in the classes'
colours, whose palette indices are the labels again."""


@dataclass(frozen=True)
class PixelOutputs(Section, prefix="post_process"):
    """What a file outputs for each pixel, as its metadata file (side-car) says.

    Attributes:
        output: ``labels`` of the input's pixels, or the head's ``logits``.
        palette: red, green and blue of each class; empty for the default colours.
    """

    output: Literal["labels", "logits"]
    palette: tuple[tuple[int, ...], ...] = ()

    def validate(self) -> None:
        """Check rules that involve several values."""
        fit = all(len(c) == 3 and all(0 <= part <= 255 for part in c) for c in self.palette)
        check(
            fit, "post_process.palette must hold red, green and blue from 0 to 255 of each class."
        )


@dataclass(frozen=True)
class Segmented:
    """The class of every pixel of one image.

    Attributes:
        image: path.
        labels: (H, W) uint8, class indices.
        classes: names of all classes.
        palette: (K, 3) uint8, their colours.
    """

    image: str
    labels: np.ndarray
    classes: tuple[str, ...]
    palette: np.ndarray

    def shares(self) -> list[tuple[int, float]]:
        """Return label and share of the pixels of each class that occurs, the largest first."""
        counts = np.bincount(self.labels.reshape(-1), minlength=len(self.classes))
        order = np.argsort(-counts, kind="stable")
        return [(int(k), counts[k] / self.labels.size) for k in order if counts[k]]

    def lines(self) -> list[str]:
        """Return one line per class: its share of the pixels."""
        return [f"{100 * share:6.2f} %  {self.classes[k]}" for k, share in self.shares()]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: the size, and the share of each class that occurs."""
        height, width = self.labels.shape
        shares = [{"class": self.classes[k], "share": share} for k, share in self.shares()]
        return {"image": self.image, "height": height, "width": width, "classes": shares}

    def draw(self, path: Path) -> None:
        """Write the image under its classes with a legend, and the label maps beside it.

        These are in ``labels`` and ``colours`` below the folder of ``path``, as PNG in the image's
        own size.
        """
        names = {k: f"{self.classes[k]} {100 * share:.0f} %" for k, share in self.shares()}
        draw_labels(self.image, path, self.labels, self.palette, names)
        name = f"{path.stem}.png"
        save_label_map(path.parent / LABELS_FOLDER / name, self.labels)
        save_label_map(path.parent / COLOURS_FOLDER / name, self.labels, self.palette)


class Placement(NamedTuple):
    """Where an image lies in the network's input: at the top on the left."""

    original: Shape
    network: Shape
    valid: Shape


class SegmentationReader:
    """Converts image files to network inputs, and outputs to label maps of the images' own size.

    Args:
        preprocess: evaluation transform.
        outputs: what the network outputs.
        classes: class names in the order of the labels.
        shape: (height, width) of a network with a fixed input size; None for any size.
    """

    def __init__(
        self,
        preprocess: SegmentationPreprocess,
        outputs: PixelOutputs,
        classes: Sequence[str],
        shape: Shape | None,
    ):
        self.preprocess, self.shape, self.outputs = preprocess, shape, outputs
        self.classes = tuple(classes)
        self.palette = np.array(outputs.palette or colour_map(len(classes)), np.uint8)
        check(
            len(self.palette) == len(classes),
            f"post_process.palette has {len(self.palette)} colours for {len(classes)} classes.",
        )

    def read(self, path: str) -> tuple[np.ndarray, Placement]:
        """Return the tensor (C, H, W) of an image file, and the place of the image in it.

        Raises:
            UserError: the file does not exist or is not an image; names the path.
        """
        image = self.preprocess.read(path)
        tensor, size = self.preprocess.transform(image, self.shape)
        _, height, width = tensor.shape
        valid = int(size[0]), int(size[1])
        return tensor, Placement((image.height, image.width), (height, width), valid)

    def interpret(self, path: str, outputs: Outputs, context: Placement) -> Segmented:
        """Convert logits (K, h, w) or labels (H, W) of an input to the labels of its image."""
        check_numbers(path, outputs)
        values = np.asarray(outputs)
        if self.outputs.output == "logits":
            labels = labels_of([View(values, context.network, context.valid)], context.original)
        else:
            labels = _stretched(values.astype(np.uint8), context)
        # A head may have more outputs than the data set has classes.
        count = max(len(self.classes), int(labels.max()) + 1)
        extra = range(len(self.classes), count)
        classes = (*self.classes, *(f"class {k}" for k in extra))
        palette = np.concatenate(
            [self.palette, np.array(colour_map(count), np.uint8)[extra.start :]]
        )
        return Segmented(path, labels, classes, palette)


def pixel_outputs(output: str, about: Mapping[str, Any]) -> dict[str, Any]:
    """Return :class:`PixelOutputs` as plain data, with the palette that a checkpoint names."""
    return PixelOutputs.from_dict({"output": output, "palette": about.get("palette", [])}).to_dict()


def _stretched(labels: np.ndarray, place: Placement) -> np.ndarray:
    """Return the nearest label for each pixel of the original image."""
    rows, columns = (
        np.minimum((np.arange(size) + 0.5) * valid / size, valid - 1).astype(np.intp)
        for size, valid in zip(place.original, place.valid, strict=True)
    )
    return labels[np.ix_(rows, columns)]

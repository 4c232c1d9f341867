"""Convert a segmenter's outputs to a label map of the image's own size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from PIL import Image

from acmix.config.segmentation import IGNORED_LABEL
from acmix.config.typed import Section
from acmix.data import SegmentationDataset, SegmentationPreprocess
from acmix.data.class_list import colour_map
from acmix.errors import check
from acmix.export.outputs import Outputs, check_numbers
from acmix.tasks.drawing import draw_labels, open_picture
from acmix.tasks.picture_files import save_label_map, save_picture
from acmix.tasks.segmentation.label_map import Shape, View, labels_of
from acmix.tasks.shown import Shown
from acmix.utils.text import shorten

LABELS_FOLDER, COLOURS_FOLDER = "labels", "colours"
"""Folders beside an overlay for the label map: grey, value k for class k; and in the classes'
colours, whose palette indices are the labels again."""
_LONGEST_NAME = 40
"""Characters of a class name in a legend, which would else be wider than the picture."""


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
class Segmented(Shown):
    """The class of every pixel of one image.

    Attributes:
        image: path.
        labels: (H, W) uint8, class indices.
        classes: names of all classes.
        palette: (K, 3) uint8, their colours.
    """

    columns: ClassVar[tuple[str, ...]] = ("class", "share")

    image: str
    labels: np.ndarray
    classes: tuple[str, ...]
    palette: np.ndarray

    def above(self, score: float) -> Segmented:
        """Return the prediction itself: every pixel has a class."""
        return self

    def shares(self) -> list[tuple[int, float]]:
        """Return label and share of the pixels of each class that occurs, the largest first."""
        counts = np.bincount(self.labels.reshape(-1), minlength=len(self.classes))
        order = np.argsort(-counts, kind="stable")
        return [(int(k), float(counts[k] / self.labels.size)) for k in order if counts[k]]

    def lines(self) -> list[str]:
        """Return one line per class: its share of the pixels."""
        return [f"{100 * share:6.2f} %  {self.classes[k]}" for k, share in self.shares()]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: the size, and the share of each class that occurs."""
        height, width = self.labels.shape
        shares = [{"class": self.classes[k], "share": share} for k, share in self.shares()]
        return {"image": str(self.image), "height": height, "width": width, "classes": shares}

    def rows(self) -> list[tuple[Any, ...]]:
        """Return a row for each class that occurs: its name, and its share of the pixels."""
        return [(self.classes[k], share) for k, share in self.shares()]

    def picture(self, image: Image.Image | None = None) -> Image.Image:
        """Return the image under its classes with a legend."""
        names = {
            k: f"{shorten(self.classes[k], _LONGEST_NAME)} {_percent(share)}"
            for k, share in self.shares()
        }
        return draw_labels(image or open_picture(self.image), self.labels, self.palette, names)

    def draw(self, path: str | Path) -> None:
        """Write the picture, and the label maps beside it.

        These are in ``labels`` and ``colours`` below the folder of ``path``, as PNG in the image's
        own size.
        """
        path = Path(path)
        save_picture(self.picture(), path)
        name = f"{path.stem}.png"
        save_label_map(path.parent / LABELS_FOLDER / name, self.labels)
        save_label_map(path.parent / COLOURS_FOLDER / name, self.labels, self.palette)


def true_labels(image: str, data: SegmentationDataset, index: int) -> Segmented:
    """Return the labels of an image of a data set; those that are ignored are grey."""
    count = len(data.classes)
    palette = np.full((IGNORED_LABEL + 1, 3), 128, np.uint8)
    palette[:count] = data.palette
    classes = (*data.classes, *("",) * (IGNORED_LABEL - count), "ignored")
    return Segmented(image, data.ground_truth(index), classes, palette)


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
        count = len(classes)
        check(
            0 < count <= IGNORED_LABEL,
            f"a label map has 1 to {IGNORED_LABEL} classes, got {count}.",
        )
        self.palette = np.array(outputs.palette or colour_map(count), np.uint8)
        check(
            len(self.palette) == count,
            f"post_process.palette has {len(self.palette)} colours for {count} classes.",
        )

    def read(self, path: str) -> tuple[np.ndarray, Placement]:
        """Return the tensor (C, H, W) of an image file, and the place of the image in it.

        Raises:
            UserError: the file does not exist or is not an image; names the path.
        """
        return self.prepare(self.preprocess.read(path))

    def prepare(self, image: Image.Image) -> tuple[np.ndarray, Placement]:
        """Return what :meth:`read` does, of a decoded image in the network's own mode."""
        tensor, size = self.preprocess.transform(image, self.shape)
        _, height, width = tensor.shape
        valid = int(size[0]), int(size[1])
        return tensor, Placement((image.height, image.width), (height, width), valid)

    def interpret(self, path: str, outputs: Outputs, context: Placement) -> Segmented:
        """Convert logits (K, h, w) or labels (H, W) of an input to the labels of its image.

        Raises:
            UserError: the outputs hold NaN, or are not what the side-car says.
        """
        check_numbers(path, outputs)
        kind = self.outputs.output
        check(
            isinstance(outputs, np.ndarray) and _FITS[kind](outputs, context.network),
            f"{path}: the network's outputs are no {kind} of up to {IGNORED_LABEL} classes for an "
            f"input of {context.network}. The file or its side-car is damaged; export it again.",
        )
        values = np.asarray(outputs)
        if kind == "logits":
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


def _are_labels(values: np.ndarray, network: Shape) -> bool:
    whole = values.dtype.kind in "iu" and values.shape == network
    return whole and values.min() >= 0 and values.max() < IGNORED_LABEL


def _are_logits(values: np.ndarray, network: Shape) -> bool:
    return values.dtype.kind == "f" and values.ndim == 3 and 0 < len(values) <= IGNORED_LABEL


_FITS = {"labels": _are_labels, "logits": _are_logits}
"""Whether outputs for one image and input size are what :class:`PixelOutputs` says."""


def _percent(share: float) -> str:
    return "<1 %" if share < 0.005 else f"{100 * share:.0f} %"


def _stretched(labels: np.ndarray, place: Placement) -> np.ndarray:
    """Return the nearest label for each pixel of the original image."""
    rows, columns = (
        np.minimum((np.arange(size) + 0.5) * valid / size, valid - 1).astype(np.intp)
        for size, valid in zip(place.original, place.valid, strict=True)
    )
    return labels[np.ix_(rows, columns)]

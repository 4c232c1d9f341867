"""Convert logits to ranked classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, cast

import numpy as np
from PIL import Image

from acmix.data import Preprocess
from acmix.export.outputs import Outputs, check_numbers
from acmix.tasks.drawing import caption, open_picture
from acmix.tasks.picture_files import save_picture
from acmix.tasks.shown import Shown


@dataclass(frozen=True)
class Classified(Shown):
    """The most probable classes of one image in descending order."""

    columns: ClassVar[tuple[str, ...]] = ("rank", "class", "probability")

    image: str
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]

    def above(self, score: float) -> Classified:
        """Return the prediction itself: a ranking has no objects."""
        return self

    def probability(self, name: str) -> float:
        """Return the probability of a class; 0 of one that is not among the ranked."""
        ranked = dict(zip(self.classes, self.probabilities, strict=True))
        return ranked.get(name, 0.0)

    def lines(self) -> list[str]:
        """Return one line per class."""
        ranked = zip(self.classes, self.probabilities, strict=True)
        return [f"{100 * probability:6.2f} %  {name}" for name, probability in ranked]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "image": str(self.image),
            "classes": self.classes,
            "probabilities": self.probabilities,
        }

    def rows(self) -> list[tuple[Any, ...]]:
        """Return a row for each class, the most probable first."""
        ranks = range(1, len(self.classes) + 1)
        return list(zip(ranks, self.classes, self.probabilities, strict=True))

    def picture(self, image: Image.Image | None = None) -> Image.Image:
        """Return the image with its most probable class as caption."""
        text = f"{self.classes[0]} {100 * self.probabilities[0]:.0f} %"
        return caption(image or open_picture(self.image), text)

    def draw(self, path: str | Path) -> None:
        """Write the picture."""
        save_picture(self.picture(), path)


class ClassificationReader:
    """Converts image files to centre crops, and logits to ranked classes.

    Args:
        preprocess: evaluation transform.
        classes: class names in the order of the logits.
        top: number of classes per image.
    """

    def __init__(self, preprocess: Preprocess, classes: Sequence[str], top: int):
        self.preprocess, self.classes, self.top = preprocess, tuple(classes), top

    def read(self, path: str) -> tuple[np.ndarray, None]:
        """Return the tensor (C, S, S) of an image file."""
        return self.preprocess.read(path), None

    def prepare(self, image: Image.Image) -> tuple[np.ndarray, None]:
        """Return the tensor (C, S, S) of a decoded image, in the network's own mode."""
        return self.preprocess.transform(image), None

    def interpret(self, path: str, outputs: Outputs, context: None) -> Classified:
        """Rank the classes by logits (K,)."""
        check_numbers(path, outputs)
        logits = cast(np.ndarray, outputs).astype(np.float64)
        exponent = np.exp(logits - logits.max())
        probability = exponent / exponent.sum()
        best = np.argsort(-probability, kind="stable")[: self.top]
        # A head may have more outputs than the data set has classes.
        names = [self.classes[i] if i < len(self.classes) else f"class {i}" for i in best]
        return Classified(path, tuple(names), tuple(float(probability[i]) for i in best))

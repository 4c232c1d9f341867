"""Convert logits to ranked classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np

from acmix.data import Preprocess
from acmix.export.outputs import Outputs, check_numbers
from acmix.tasks.drawing import caption


@dataclass(frozen=True)
class Classified:
    """The most probable classes of one image in descending order."""

    image: str
    classes: tuple[str, ...]
    probabilities: tuple[float, ...]

    def lines(self) -> list[str]:
        """Return one line per class."""
        ranked = zip(self.classes, self.probabilities, strict=True)
        return [f"{100 * probability:6.2f} %  {name}" for name, probability in ranked]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)

    def draw(self, path: Path) -> None:
        """Write the image with its most probable class as caption."""
        caption(self.image, path, f"{self.classes[0]} {100 * self.probabilities[0]:.0f} %")


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

"""What every task's predictions are, and how images become network inputs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from PIL import Image

from acmix.export.outputs import Outputs


class Prediction(Protocol):
    """Prediction for one image.

    Attributes:
        columns: names of the values in :meth:`rows`.
    """

    columns: ClassVar[tuple[str, ...]]

    @property
    def image(self) -> str:
        """Path of the image."""

    def above(self, score: float) -> Prediction:
        """Return the prediction without objects of a lower score; itself if it has no objects."""

    def lines(self) -> list[str]:
        """Return the prediction as text, one line per class or object."""

    def to_dict(self) -> dict[str, Any]:
        """Return the prediction as plain data for JSON."""

    def rows(self) -> list[tuple[Any, ...]]:
        """Return a row of a table for each class or object."""

    def picture(self, image: Image.Image | None = None) -> Image.Image:
        """Return the image with the prediction drawn on it.

        Args:
            image: RGB; None reads the file.
        """

    def draw(self, path: str | Path) -> None:
        """Write :meth:`picture` to a file, and beside it what else the task has."""


@runtime_checkable
class Masked(Protocol):
    """Prediction of objects with masks."""

    @property
    def classes(self) -> Sequence[str]:
        """Name of the class of each object."""

    def bitmaps(self) -> Iterable[np.ndarray]:
        """Return the mask (H, W) uint8 of each object, 1 on it, in the image's own size."""


class Reader(Protocol):
    """Converts image files to network inputs, and network outputs to predictions."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the names of the classes in the order of the labels."""

    def read(self, path: str) -> tuple[np.ndarray, Any]:
        """Return the tensor (C, H, W) of an image file, and the context for :meth:`interpret`."""

    def prepare(self, image: Image.Image) -> tuple[np.ndarray, Any]:
        """Return what :meth:`read` does, of a decoded image, grey or RGB as the network takes."""

    def interpret(self, path: str, outputs: Outputs, context: Any) -> Prediction:
        """Return the prediction for an image from the network's outputs without batch axis."""

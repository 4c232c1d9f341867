"""How predictions show themselves, in a terminal and in a notebook."""

from __future__ import annotations

from typing import TypeVar

from PIL import Image

from acmix.config.detection import SHOWN_SCORE
from acmix.data.image_input import as_png

Self = TypeVar("Self", bound="Shown")


class Shown:
    """Base of predictions that print their lines, and show their picture in a notebook."""

    def above(self: Self, score: float) -> Self:
        """Return the prediction without objects of a lower score."""
        raise NotImplementedError

    def lines(self) -> list[str]:
        """Return the prediction as text."""
        raise NotImplementedError

    def picture(self, image: Image.Image | None = None) -> Image.Image:
        """Return the image with the prediction drawn on it."""
        raise NotImplementedError

    def __str__(self) -> str:
        return "\n".join(self.above(SHOWN_SCORE).lines())

    def _repr_png_(self) -> bytes:
        """Return what a notebook shows: a PNG file."""
        return as_png(self.above(SHOWN_SCORE).picture())

"""`DetectionPreprocess`: whole images, resized and padded to one of a few shapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

from acmix.config import DetectionDataConfig
from acmix.config.data import check_per_channel
from acmix.config.typed import ImageSize, Interpolation, Positive, Section
from acmix.data.decode import DEFAULT_MAX_PIXELS, decode
from acmix.data.preprocess import RESAMPLING, normalise
from acmix.errors import check

Shape = tuple[int, int]
"""Height and width in pixels."""


def buckets(config: DetectionDataConfig) -> tuple[Shape, ...]:
    """Return the shapes that images are padded to, the smallest first.

    They are the largest shape, ``long_side`` x the largest of ``short_side``, and one for each of
    ``bucket_aspects``, lying and upright, with sides rounded up to ``size_divisor``. Images of any
    shorter side are padded to these, so that several of ``short_side`` compile nothing more.
    """
    short = max(config.short_side)
    # Rounded as images are, which therefore fit where their aspect is the bucket's.
    sides = {min(_round(short * aspect), config.long_side) for aspect in config.bucket_aspects}
    lying = {
        (_up(short, config.size_divisor), _up(long, config.size_divisor))
        for long in sides | {config.long_side}
    }
    shapes = lying | {(width, height) for height, width in lying}
    return tuple(sorted(shapes, key=lambda shape: (shape[0] * shape[1], shape)))


@dataclass(frozen=True)
class DetectionPreprocess(Section, prefix="preprocess"):
    """Resize keeping the aspect, normalise, pad with zeros at the bottom and on the right.

    ``to_dict`` and ``from_dict`` carry it through the side-car file of an exported model; what
    ``from_dict`` reads is checked like a configuration and raises UserError.

    Attributes:
        short_side: what the shorter side becomes in pixels, as far as ``long_side`` allows.
        long_side: largest longer side in pixels.
        shapes: (height, width) that images are padded to, see :func:`buckets`.
        channels: 1 for grey, 3 for RGB.
        mean: per channel, of pixels scaled to 0..1.
        std: per channel, of pixels scaled to 0..1.
        interpolation: resampling filter; shrinking is antialiased.
    """

    short_side: ImageSize
    long_side: ImageSize
    shapes: tuple[tuple[ImageSize, ImageSize], ...]
    channels: Literal[1, 3]
    mean: tuple[float, ...]
    std: tuple[Positive, ...]
    interpolation: Interpolation

    @classmethod
    def from_config(cls, config: DetectionDataConfig) -> DetectionPreprocess:
        """Return the evaluation transform of a data configuration."""
        names = ("long_side", "channels", "mean", "std", "interpolation")
        return cls(
            short_side=max(config.short_side),
            shapes=buckets(config),
            **{name: getattr(config, name) for name in names},
        )

    def validate(self) -> None:
        """Check what involves several fields."""
        check_per_channel(self)
        check(bool(self.shapes), "preprocess.shapes must name at least one (height, width).")

    def __call__(
        self, encoded: bytes, shape: Shape | None = None, max_pixels: int = DEFAULT_MAX_PIXELS
    ) -> tuple[np.ndarray, np.ndarray]:
        """Turn the content of an image file into what the network expects.

        Args:
            encoded: content of the image file.
            shape: (height, width) of a network that takes no other; None for the smallest of
                ``shapes`` that holds the image.
            max_pixels: larger images are refused.

        Returns:
            The image (C, H, W) float32 and its scale (2,) float32: pixels after resizing by pixels
            before, along x and y.

        Raises:
            DecodeError: the bytes are no image, or too large a one.
        """
        image = decode(encoded, self.channels, max_pixels)
        return self.transform(image, shape or self.bucket(*image.size))

    def size(self, width: int, height: int, short_side: int | None = None) -> tuple[int, int]:
        """Return width and height of an image after resizing.

        Rounded as mmdet does (``mmcv.rescale_size``): both sides by one factor, halves up.
        """
        short_side = short_side or self.short_side
        factor = min(short_side / min(width, height), self.long_side / max(width, height))
        return _resized(width, height, factor)

    def bucket(self, width: int, height: int) -> Shape:
        """Return the smallest of ``shapes`` that holds an image after resizing, else the largest.

        It depends on the aspect alone, up to rounding, and holds for every smaller short side.
        """
        wide, high = self.size(width, height)
        holding = [shape for shape in self.shapes if shape[0] >= high and shape[1] >= wide]
        return min(holding or self.shapes[-1:], key=lambda shape: shape[0] * shape[1])

    def transform(
        self, image: Image.Image, shape: Shape, short_side: int | None = None, flip: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Resize a decoded image, mirror it if ``flip``, normalise it and pad it to ``shape``.

        Images become as large as :meth:`size` says where they fit, and as large as fits elsewhere.

        Returns:
            Image (C, *shape) and scale (2,), see :meth:`__call__`.
        """
        width, height = image.size
        wide, high = self.size(width, height, short_side)
        if high > shape[0] or wide > shape[1]:
            wide, high = _resized(width, height, min(shape[0] / height, shape[1] / width))
        resized = image.resize((wide, high), RESAMPLING[self.interpolation])
        if flip:
            resized = ImageOps.mirror(resized)
        padded = np.zeros((self.channels, *shape), np.float32)
        normalise(resized, self.mean, self.std, out=padded[:, :high, :wide])
        return padded, np.array([wide / width, high / height], np.float32)


def _resized(width: int, height: int, factor: float) -> tuple[int, int]:
    """Return the sides times ``factor``; a strip must not vanish."""
    return max(1, _round(width * factor)), max(1, _round(height * factor))


def _round(side: float) -> int:
    return int(side + 0.5)


def _up(side: int, divisor: int) -> int:
    return -(-side // divisor) * divisor

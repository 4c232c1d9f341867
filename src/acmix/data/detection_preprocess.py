"""`DetectionPreprocess`: resize and pad whole images to one of a few shapes."""

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
from acmix.data.sizes import keep_ratio, round_half_up, round_up, scaled
from acmix.errors import check

Shape = tuple[int, int]
"""Height and width in pixels."""


def buckets(config: DetectionDataConfig) -> tuple[Shape, ...]:
    """Return the shapes that images are padded to, in ascending order of area.

    The largest shape is ``long_side`` x the maximum of ``short_side``. Each of ``bucket_aspects``
    adds one. All are used in landscape and portrait, with sides rounded up to multiples of
    ``size_divisor``. Images of every value of ``short_side`` use the same shapes, so several values
    need no additional compilation.
    """
    short = max(config.short_side)
    # Rounded like the images, so that an image of the bucket's aspect fits exactly.
    sides = {
        min(round_half_up(short * aspect), config.long_side) for aspect in config.bucket_aspects
    }
    landscape = {
        (round_up(short, config.size_divisor), round_up(long, config.size_divisor))
        for long in {min(side, config.long_side) for side in sides} | {config.long_side}
    }
    shapes = landscape | {(width, height) for height, width in landscape}
    return tuple(sorted(shapes, key=lambda shape: (shape[0] * shape[1], shape)))


@dataclass(frozen=True)
class DetectionPreprocess(Section, prefix="preprocess"):
    """Resize with fixed aspect ratio, normalise, pad with zeros at the bottom and on the right.

    ``to_dict`` and ``from_dict`` store it in the metadata file (side-car) of an exported model;
    ``from_dict`` checks its argument like a configuration and raises UserError.

    Attributes:
        short_side: shorter side in pixels after resizing; ``long_side`` may reduce it.
        long_side: maximum longer side in pixels.
        shapes: (height, width) that images are padded to, see :func:`buckets`.
        channels: 1 for grey, 3 for RGB.
        mean: per channel, of pixels scaled to 0..1.
        std: per channel, of pixels scaled to 0..1.
        interpolation: resampling filter; downsampling is antialiased.
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
        """Check rules that involve several fields."""
        check_per_channel(self)
        check(bool(self.shapes), "preprocess.shapes must name at least one (height, width).")

    def __call__(
        self, encoded: bytes, shape: Shape | None = None, max_pixels: int = DEFAULT_MAX_PIXELS
    ) -> tuple[np.ndarray, np.ndarray]:
        """Convert an encoded image to a network input.

        Args:
            encoded: content of the image file.
            shape: (height, width) of a network with a fixed input size; None selects the smallest
                of ``shapes`` that contains the image.
            max_pixels: maximum width x height of the image.

        Returns:
            Image (C, H, W) float32, and scale (2,) float32: pixels after resizing per pixel before,
            along x and y.

        Raises:
            DecodeError: the bytes are not an image, or the image is too large.
        """
        image = decode(encoded, self.channels, max_pixels)
        return self.transform(image, shape or self.bucket(*image.size))

    def size(self, width: int, height: int, short_side: int | None = None) -> tuple[int, int]:
        """Return width and height of an image after resizing.

        Rounds like mmdet (``mmcv.rescale_size``): one factor for both sides, halves rounded up.
        """
        short_side = short_side or self.short_side
        return keep_ratio(width, height, short_side, self.long_side)

    def bucket(self, width: int, height: int) -> Shape:
        """Return the smallest of ``shapes`` that contains an image after resizing, or the largest.

        The result depends on the aspect ratio alone, up to rounding. It also contains the image
        resized to any smaller short side.
        """
        wide, high = self.size(width, height)
        holding = [shape for shape in self.shapes if shape[0] >= high and shape[1] >= wide]
        return min(holding or self.shapes[-1:], key=lambda shape: shape[0] * shape[1])

    def transform(
        self, image: Image.Image, shape: Shape, short_side: int | None = None, flip: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Resize a decoded image, mirror it if ``flip``, normalise it and pad it to ``shape``.

        Images are resized to :meth:`size`, or to the largest size that fits into ``shape``.

        Returns:
            Image (C, *shape) and scale (2,), see :meth:`__call__`.
        """
        width, height = image.size
        wide, high = self.size(width, height, short_side)
        if high > shape[0] or wide > shape[1]:
            wide, high = scaled(width, height, min(shape[0] / height, shape[1] / width))
        resized = image.resize((wide, high), RESAMPLING[self.interpolation])
        if flip:
            resized = ImageOps.mirror(resized)
        padded = np.zeros((self.channels, *shape), np.float32)
        normalise(resized, self.mean, self.std, out=padded[:, :high, :wide])
        return padded, np.array([wide / width, high / height], np.float32)

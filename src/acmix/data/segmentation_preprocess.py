"""`SegmentationPreprocess`: resize whole images for a segmenter, and pad them on request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from PIL import Image

from acmix.config import SegmentationDataConfig
from acmix.config.data import check_per_channel
from acmix.config.typed import ImageSize, Interpolation, Positive, PositiveInt, Section
from acmix.data.decode import DEFAULT_MAX_PIXELS, decode
from acmix.data.image_input import ImageInput, open_image
from acmix.data.preprocess import normalise
from acmix.data.sizes import keep_ratio, round_up, scaled

Shape = tuple[int, int]
"""Height and width in pixels."""

FILTERS = {
    "nearest": cv2.INTER_NEAREST,
    "bilinear": cv2.INTER_LINEAR,
    "bicubic": cv2.INTER_CUBIC,
    "lanczos": cv2.INTER_LANCZOS4,
}
"""Resampling filters of OpenCV, which do not antialias: what public segmenters are trained with."""


@dataclass(frozen=True)
class SegmentationPreprocess(Section, prefix="preprocess"):
    """Resize with fixed aspect ratio, stretch to multiples, normalise, pad with zeros.

    ``to_dict`` and ``from_dict`` store it in the metadata file (side-car) of an exported model;
    ``from_dict`` checks its argument like a configuration and raises UserError.

    Attributes:
        short_side: shorter side in pixels after resizing; ``long_side`` may reduce it.
        long_side: maximum longer side in pixels.
        size_divisor: sides are stretched up to multiples of this, by a second resizing.
        pad_divisor: then padded at the bottom and on the right to multiples of this.
        channels: 1 for grey, 3 for RGB.
        mean: per channel, of pixels scaled to 0..1.
        std: per channel, of pixels scaled to 0..1.
        interpolation: resampling filter, without antialiasing.
    """

    short_side: ImageSize
    long_side: ImageSize
    size_divisor: PositiveInt
    pad_divisor: PositiveInt
    channels: Literal[1, 3]
    mean: tuple[float, ...]
    std: tuple[Positive, ...]
    interpolation: Interpolation

    @classmethod
    def from_config(cls, config: SegmentationDataConfig) -> SegmentationPreprocess:
        """Return the evaluation transform of a data configuration."""
        names = (
            "short_side", "long_side", "size_divisor", "pad_divisor", "channels", "mean", "std",
            "interpolation",
        )  # fmt: skip
        return cls(**{name: getattr(config, name) for name in names})

    def validate(self) -> None:
        """Check rules that involve several fields."""
        check_per_channel(self)

    def __call__(
        self, encoded: bytes, shape: Shape | None = None, max_pixels: int = DEFAULT_MAX_PIXELS
    ) -> tuple[np.ndarray, np.ndarray]:
        """Convert an encoded image to a network input, see :meth:`transform`.

        Raises:
            DecodeError: the bytes are not an image, or the image is too large.
        """
        return self.transform(decode(encoded, self.channels, max_pixels), shape)

    def read(self, image: ImageInput) -> Image.Image:
        """Decode an image, see :func:`acmix.data.image_input.open_image`.

        Raises:
            UserError: the file does not exist, or what is given is no image; names it.
        """
        return open_image(image, self.channels)

    def transform(
        self,
        image: Image.Image,
        shape: Shape | None = None,
        ratio: float = 1.0,
        mirrored: bool = False,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Resize a decoded image, normalise it and pad it.

        Args:
            image: decoded.
            shape: (height, width) of a network with a fixed input size, which the image is padded
                to, and reduced to if it is larger; None takes :meth:`padded`.
            ratio: factor on ``short_side`` and ``long_side``.
            mirrored: whether left and right are exchanged; padding stays at the right.

        Returns:
            Image (C, H, W) float32, and height and width of the image in it (2,) int32.
        """
        pixels = self.resized(np.asarray(image), ratio)
        high, wide = pixels.shape[:2]
        if shape is not None and (high > shape[0] or wide > shape[1]):
            factor = min(shape[0] / image.height, shape[1] / image.width)
            pixels = self.resize(np.asarray(image), scaled(*image.size, factor))
            high, wide = pixels.shape[:2]
        if mirrored:
            pixels = np.ascontiguousarray(pixels[:, ::-1])
        padded = np.zeros((self.channels, *(shape or self.padded((high, wide)))), np.float32)
        normalise(Image.fromarray(pixels), self.mean, self.std, out=padded[:, :high, :wide])
        return padded, np.array([high, wide], np.int32)

    def padded(self, size: Shape) -> Shape:
        """Return height and width of the network's input for an image of ``size`` in it."""
        return round_up(size[0], self.pad_divisor), round_up(size[1], self.pad_divisor)

    def resized(self, pixels: np.ndarray, ratio: float = 1.0) -> np.ndarray:
        """Resize (H, W) or (H, W, C) uint8; see :meth:`transform`."""
        height, width = pixels.shape[:2]
        sides = (max(1, int(side * ratio)) for side in (self.short_side, self.long_side))
        pixels = self.resize(pixels, keep_ratio(width, height, *sides))
        height, width = pixels.shape[:2]
        aligned = round_up(width, self.size_divisor), round_up(height, self.size_divisor)
        return self.resize(pixels, aligned)

    def resize(self, pixels: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """Resize (H, W) or (H, W, C) uint8 to ``size`` (width, height)."""
        if size == pixels.shape[1::-1]:
            return pixels
        return cv2.resize(pixels, size, interpolation=FILTERS[self.interpolation])

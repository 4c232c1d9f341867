"""`Preprocess`: the evaluation transform of classification, for validation and prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
from PIL import Image

from acmix.config import ClassificationDataConfig
from acmix.config.data import check_per_channel
from acmix.config.typed import CropShare, ImageSize, Interpolation, Positive, Section
from acmix.data.decode import DEFAULT_MAX_PIXELS, Box, decode
from acmix.data.image_input import ImageInput, open_image

RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


@dataclass(frozen=True)
class Preprocess(Section, prefix="preprocess"):
    """Resize the shorter side to ``image_size / crop_pct``, crop the centre, normalise.

    ``to_dict`` and ``from_dict`` store it in the metadata file (side-car) of an exported model;
    ``from_dict`` checks its argument like a configuration and raises UserError.

    Attributes:
        image_size: height and width of the result in pixels.
        crop_pct: fraction of the shorter side that the crop keeps.
        channels: 1 for grey, 3 for RGB.
        mean: per channel, of pixels scaled to 0..1.
        std: per channel, of pixels scaled to 0..1.
        interpolation: resampling filter; downsampling is antialiased.
    """

    image_size: ImageSize
    crop_pct: CropShare
    channels: Literal[1, 3]
    mean: tuple[float, ...]
    std: tuple[Positive, ...]
    interpolation: Interpolation

    @classmethod
    def from_config(cls, config: ClassificationDataConfig) -> Preprocess:
        """Return the evaluation transform of a data configuration."""
        names = ("image_size", "crop_pct", "channels", "mean", "std", "interpolation")
        return cls(**{name: getattr(config, name) for name in names})

    def validate(self) -> None:
        """Check rules that involve several fields."""
        check_per_channel(self)

    def __call__(
        self,
        image: ImageInput,
        max_pixels: int = DEFAULT_MAX_PIXELS,
        out: np.ndarray | None = None,
    ) -> np.ndarray:
        """Convert an image to a network input.

        Args:
            image: content of an image file; or a path, a PIL image or pixels, see :meth:`read`.
            max_pixels: maximum width x height that bytes may decode to.
            out: (C, S, S) float32 to write into; None for a new array.

        Returns:
            Array of shape (C, S, S), float32.

        Raises:
            DecodeError: the bytes are not an image, or the image is too large.
            UserError: what is given in another form is no image.
        """
        if isinstance(image, bytes):
            return self.transform(decode(image, self.channels, max_pixels), out)
        return self.transform(open_image(image, self.channels), out)

    def read(self, image: ImageInput) -> np.ndarray:
        """Convert an image to a network input (C, S, S).

        Args:
            image: path, content of an image file, PIL image, or pixels (H, W, C) uint8.

        Raises:
            UserError: a file does not exist, or what is given is no image; names it.
        """
        return self.transform(open_image(image, self.channels))

    def transform(self, image: Image.Image, out: np.ndarray | None = None) -> np.ndarray:
        """Resize a decoded image, crop its centre and normalise it; shape (C, S, S), float32."""
        side = min(image.size) * self.crop_pct
        left, top = (image.width - side) / 2, (image.height - side) / 2
        return self.normalise(self.resized_crop(image, (left, top, side, side)), out)

    def resized_crop(self, image: Image.Image, box: Box) -> Image.Image:
        """Resample the box (left, top, width, height) of ``image`` to the size of the result.

        Only the box is resampled, so the cost does not grow with the image: a strip of 1 x 100000
        pixels costs no more than a photograph.
        """
        left, top, width, height = box
        size = (self.image_size, self.image_size)
        corners = (left, top, left + width, top + height)
        return image.resize(size, RESAMPLING[self.interpolation], box=corners)

    def normalise(self, image: Image.Image, out: np.ndarray | None = None) -> np.ndarray:
        """Scale to 0..1, subtract the mean, divide by the deviation; shape (C, S, S), float32."""
        return normalise(image, self.mean, self.std, out)


def normalise(
    image: Image.Image,
    mean: Sequence[float],
    std: Sequence[float],
    out: np.ndarray | None = None,
) -> np.ndarray:
    """Scale to 0..1, subtract the mean, divide by the deviation, per channel.

    Args:
        image: grey or RGB.
        mean: C values.
        std: C values.
        out: (C, H, W) float32 to write into; None for a new array.

    Returns:
        (C, H, W), float32.
    """
    if out is None:
        out = np.empty((len(mean), image.height, image.width), np.float32)
    tables = _tables(tuple(mean), tuple(std))
    for plane, table, target in zip(cv2.split(np.asarray(image)), tables, out, strict=True):
        cv2.LUT(plane, table, dst=target)
    return out


@lru_cache
def _tables(mean: tuple[float, ...], std: tuple[float, ...]) -> np.ndarray:
    """Return the result for each value of a pixel: (C, 256) float32.

    To look a pixel up takes half the time of calculating it, without Python's lock.
    """
    shift, scale = (255 * np.array(values, np.float32)[:, None] for values in (mean, std))
    return np.divide(np.arange(256, dtype=np.float32) - shift, scale)

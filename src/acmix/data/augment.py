"""Random training transforms as a pure function of the image and a generator.

The random transforms of ``mindspore.dataset`` draw from one stream per worker thread. A sample then
depends on the number of workers and on the samples read before. Here every sample has its own
generator: shards, workers and resuming do not change it.
"""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from acmix.config import ClassificationDataConfig
from acmix.data.decode import Box, decode_for_crop
from acmix.data.erasing import erase
from acmix.data.preprocess import RESAMPLING, Preprocess
from acmix.data.rand_augment import RandAugment, Warp

KEPT_DETAIL = 2
"""Pixels along an axis that decoding at a reduced size leaves for each one of the result. The
resized crop differs by less than two of 255 levels on average from that of the whole image."""

_JITTERS = (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color)
_CROP_ATTEMPTS = 10


class Augment:
    """Training transform of a data configuration: encoded bytes -> (C, S, S), float32."""

    def __init__(self, config: ClassificationDataConfig) -> None:
        self.config = config
        self.preprocess = Preprocess.from_config(config)
        self.rand_augment = rand_augment(config)

    def __call__(
        self, encoded: bytes, rng: np.random.Generator, out: np.ndarray | None = None
    ) -> np.ndarray:
        """Decode, crop, flip, jitter or RandAugment, normalise and erase one image.

        JPEG files are decoded at 1/2, 1/4 or 1/8 of their size where that leaves at least
        :data:`KEPT_DETAIL` pixels of the crop for each of the result, along both axes.

        Args:
            encoded: content of the image file.
            rng: generator of this sample.
            out: (C, S, S) float32 to write into; None for a new array.

        Raises:
            DecodeError: the bytes are not an image, or the image is too large.
        """
        config = self.config
        image, box = decode_for_crop(
            encoded,
            config.channels,
            config.max_image_pixels,
            lambda width, height: self._box(width, height, rng),
            KEPT_DETAIL * config.image_size,
        )
        image = self.preprocess.resized_crop(image, box)
        if config.pad_crop:
            image = pad_and_crop(image, config.pad_crop, rng)
        if rng.random() < config.hflip:
            image = ImageOps.mirror(image)
        if config.color_jitter:
            image = jitter(image, config.color_jitter, rng)
        if self.rand_augment is not None:
            image = self.rand_augment(image, rng)
        pixels = self.preprocess.normalise(image, out)
        if rng.random() < config.random_erasing:
            erase(pixels, rng)
        return pixels

    def _box(self, width: int, height: int, rng: np.random.Generator) -> Box:
        if self.config.scale is None:
            return random_square(width, height, rng)
        return random_crop(width, height, self.config.scale, self.config.ratio, rng)


def random_crop(
    width: int,
    height: int,
    scale: tuple[float, float],
    ratio: tuple[float, float],
    rng: np.random.Generator,
) -> Box:
    """Draw the box of a random resized crop (Szegedy et al., 2015, section 6).

    Area and log aspect ratio are uniform: the area in ``scale`` as a fraction of the image, the
    aspect ratio (width / height) in ``ratio``. If no box fits, return the largest central box
    within ``ratio``.

    Returns:
        Left, top, width, height in pixels.
    """
    low, high = math.log(ratio[0]), math.log(ratio[1])
    for _ in range(_CROP_ATTEMPTS):
        area = width * height * rng.uniform(*scale)
        aspect = math.exp(rng.uniform(low, high))
        crop_width, crop_height = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < crop_width <= width and 0 < crop_height <= height:
            left = rng.integers(width - crop_width + 1)
            top = rng.integers(height - crop_height + 1)
            return int(left), int(top), crop_width, crop_height
    crop_width = max(1, min(width, round(height * ratio[1])))
    crop_height = max(1, min(height, round(width / ratio[0])))
    return (width - crop_width) // 2, (height - crop_height) // 2, crop_width, crop_height


def random_square(width: int, height: int, rng: np.random.Generator) -> Box:
    """Draw the position of the largest square along the longer side."""
    side = min(width, height)
    left, top = rng.integers(width - side + 1), rng.integers(height - side + 1)
    return int(left), int(top), side, side


def pad_and_crop(image: Image.Image, padding: int, rng: np.random.Generator) -> Image.Image:
    """Shift by up to ``padding`` pixels in each direction, padding zeros (He et al., 2015)."""
    left, top = rng.integers(-padding, padding + 1, size=2)
    return image.crop((int(left), int(top), int(left) + image.width, int(top) + image.height))


def jitter(image: Image.Image, strength: float, rng: np.random.Generator) -> Image.Image:
    """Scale brightness, contrast and saturation by factors in 1 ± strength, in random order."""
    for index in rng.permutation(len(_JITTERS)):
        factor = rng.uniform(1 - strength, 1 + strength)
        image = _JITTERS[index](image).enhance(factor)
    return image


def rand_augment(config: ClassificationDataConfig) -> RandAugment | None:
    """Return the configured RandAugment, which pads with the mean colour; None if disabled."""
    if config.rand_augment is None:
        return None
    resample = RESAMPLING[config.interpolation]
    if resample is Image.Resampling.LANCZOS:
        resample = Image.Resampling.BICUBIC  # Pillow does not support Lanczos for warps
    colour = tuple(round(255 * value) for value in config.mean)
    warp = Warp(resample, colour if config.channels > 1 else colour[0])
    return RandAugment(
        config.rand_augment, config.rand_augment_std, config.rand_augment_layers, warp
    )

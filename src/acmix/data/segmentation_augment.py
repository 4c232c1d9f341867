"""Random training transform of an image and its labels as a pure function of a generator."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image

from acmix.config import SegmentationDataConfig
from acmix.config.segmentation import IGNORED_LABEL
from acmix.data.photometric import distort
from acmix.data.preprocess import normalise
from acmix.data.segmentation_preprocess import SegmentationPreprocess
from acmix.data.sizes import keep_ratio

_CROP_ATTEMPTS = 10


class SegmentationAugment:
    """Training transform of a data configuration."""

    def __init__(self, config: SegmentationDataConfig) -> None:
        self.config = config
        self.preprocess = SegmentationPreprocess.from_config(config)

    def __call__(
        self, image: Image.Image, labels: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Resize, crop, flip, distort colours, normalise and pad an image with its labels.

        Args:
            image: decoded, W x H pixels.
            labels: (H, W) uint8, 255 is ignored.
            rng: generator of this sample.

        Returns:
            Image (C, S, S) float32, zeros where it is padded; labels (S, S) int32, 255 there.
        """
        config = self.config
        pixels, labels = self._resize(np.asarray(image), labels, rng)
        rows, columns = crop_slices(labels, config.crop_size, config.cat_max_ratio, rng)
        pixels, labels = pixels[rows, columns], labels[rows, columns]
        if rng.random() < config.hflip:
            pixels, labels = pixels[:, ::-1], labels[:, ::-1]
        if config.photometric:
            pixels = distort(np.ascontiguousarray(pixels), config.photometric, rng)
        size = (config.crop_size, config.crop_size)
        height, width = labels.shape
        padded = np.zeros((config.channels, *size), np.float32)
        out = padded[:, :height, :width]
        normalise(Image.fromarray(np.ascontiguousarray(pixels)), config.mean, config.std, out=out)
        targets = np.full(size, IGNORED_LABEL, np.int32)
        targets[:height, :width] = labels
        return padded, targets

    def _resize(
        self, pixels: np.ndarray, labels: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        config = self.config
        ratio = rng.uniform(*config.resize_ratio) if config.resize_ratio else 1.0
        sides = (max(1, int(side * ratio)) for side in (config.short_side, config.long_side))
        height, width = labels.shape
        size = keep_ratio(width, height, *sides)
        resized = cv2.resize(labels, size, interpolation=cv2.INTER_NEAREST)
        return self.preprocess.resize(pixels, size), resized


def crop_slices(
    labels: np.ndarray, side: int, max_share: float, rng: np.random.Generator
) -> tuple[slice, slice]:
    """Draw a crop of ``side`` x ``side`` pixels, or of the whole length of a shorter side.

    While one class fills ``max_share`` of its labelled pixels or more, or it has fewer than two
    classes, it is drawn again, at most ten times; the last one is taken.

    Args:
        labels: (H, W) uint8, 255 is ignored.
        side: in pixels.
        max_share: 1 takes the first crop.
        rng: generator.

    Returns:
        Slices of rows and columns.
    """
    crop = _draw(labels, side, rng)
    if max_share < 1:
        for _ in range(_CROP_ATTEMPTS):
            counts = np.bincount(labels[crop].reshape(-1), minlength=256)[:IGNORED_LABEL]
            if np.count_nonzero(counts) > 1 and counts.max() / counts.sum() < max_share:
                break
            crop = _draw(labels, side, rng)
    return crop


def _draw(labels: np.ndarray, side: int, rng: np.random.Generator) -> tuple[slice, slice]:
    height, width = labels.shape
    top = int(rng.integers(max(height - side, 0) + 1))
    left = int(rng.integers(max(width - side, 0) + 1))
    return slice(top, top + side), slice(left, left + side)

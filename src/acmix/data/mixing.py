"""Mixup and CutMix: every sample of a batch is mixed with one other, and so are the labels."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from acmix.config import ClassificationDataConfig


@dataclass(frozen=True)
class Mixing:
    """Mixes a batch by mixup (arXiv:1710.09412) or CutMix (arXiv:1905.04899).

    One method, one share and one box are drawn for the batch. Sample i is mixed with sample
    i + B/2: samples are in random order, and so the pairs stay together when a batch is dealt out
    to devices, whose parts are then exactly those of one device's batch (for even parts).

    Labels are not smoothed here: smoothing is linear, so that the loss may do it to mixed labels.

    Args:
        num_classes: K.
        mixup: parameter of the beta distribution that mixup draws shares from, 0 for no mixup.
        cutmix: that of CutMix.
        prob: probability that a batch is mixed at all.
        switch_prob: probability of CutMix where both are possible.
    """

    num_classes: int
    mixup: float = 0.0
    cutmix: float = 0.0
    prob: float = 1.0
    switch_prob: float = 0.5

    @classmethod
    def from_config(cls, config: ClassificationDataConfig, num_classes: int) -> Mixing | None:
        """Return what the section ``data`` asks for; None for no mixing."""
        if not config.mixes:
            return None
        return cls(
            num_classes, config.mixup, config.cutmix, config.mix_prob, config.mix_switch_prob
        )

    def __call__(
        self, images: np.ndarray, labels: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mix a batch.

        Args:
            images: (B, C, H, W), float32; overwritten.
            labels: (B,), classes.
            rng: what to draw from.

        Returns:
            Images (B, C, H, W) and labels (B, K), float32, which sum to one.
        """
        half = len(images) // 2
        own = self._mix_images(images, half, rng) if rng.random() < self.prob else 1.0
        soft = np.zeros((len(labels), self.num_classes), np.float32)
        samples = np.arange(len(labels))
        # Added one after the other: both labels may be the same class.
        soft[samples, labels] += own
        soft[samples, np.roll(labels, -half)] += 1 - own
        return images, soft

    def _mix_images(self, images: np.ndarray, half: int, rng: np.random.Generator) -> float:
        """Mix in place; return the share that every sample keeps of itself."""
        if self._draws_cutmix(rng):
            height, width = images.shape[2:]
            inside, own = random_box(height, width, rng.beta(self.cutmix, self.cutmix), rng)
            box = (slice(None), slice(None), *inside)
            images[box] = np.roll(images[box], -half, axis=0)
            return own
        own = rng.beta(self.mixup, self.mixup)
        others = np.roll(images, -half, axis=0)
        others *= np.float32(1 - own)
        images *= np.float32(own)
        images += others
        return own

    def _draws_cutmix(self, rng: np.random.Generator) -> bool:
        if self.mixup and self.cutmix:
            return rng.random() < self.switch_prob
        return self.cutmix > 0


def random_box(
    height: int, width: int, own: float, rng: np.random.Generator
) -> tuple[tuple[slice, slice], float]:
    """Draw CutMix's box: the image's shape scaled to the area 1 - ``own``, its centre anywhere.

    Returns:
        Rows and columns of the part of the box inside of the image, and the share of the image
        outside of the box.
    """
    side = math.sqrt(1 - own)
    rows = _clipped(rng.integers(height), int(height * side), height)
    columns = _clipped(rng.integers(width), int(width * side), width)
    area = (rows.stop - rows.start) * (columns.stop - columns.start)
    return (rows, columns), 1 - area / (height * width)


def _clipped(centre: int, length: int, limit: int) -> slice:
    half = length // 2
    return slice(max(int(centre) - half, 0), min(int(centre) + half, limit))

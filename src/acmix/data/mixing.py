"""Mixup and CutMix: mix every sample of a batch, and its label, with another sample."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from acmix.config import ClassificationDataConfig


@dataclass(frozen=True)
class Mixing:
    """Mixes a batch by mixup (arXiv:1710.09412) or CutMix (arXiv:1905.04899).

    One method, one lambda and one box are drawn per batch. Sample i is mixed with sample i + B/2,
    which is random, as samples are shuffled. Devices with an even batch size then get the same
    pairs as a single device with the joint batch. Of ``data.repeated_augmentation=N``, an image
    meets its own repeats only where the joint batch has fewer than 2 N samples.

    Labels are not smoothed here: smoothing is linear, so the loss can smooth mixed labels.

    Args:
        num_classes: K.
        mixup: alpha of mixup's beta distribution; 0 disables mixup.
        cutmix: alpha of CutMix's beta distribution; 0 disables CutMix.
        prob: probability that a batch is mixed.
        switch_prob: probability of CutMix rather than mixup if both are enabled.
    """

    num_classes: int
    mixup: float = 0.0
    cutmix: float = 0.0
    prob: float = 1.0
    switch_prob: float = 0.5

    @classmethod
    def from_config(cls, config: ClassificationDataConfig, num_classes: int) -> Mixing | None:
        """Return the mixing of the section ``data``; None if disabled."""
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
            rng: random generator.

        Returns:
            Images (B, C, H, W) and labels (B, K), float32, which sum to one.
        """
        half = len(images) // 2
        lam = self._mix_images(images, half, rng) if rng.random() < self.prob else 1.0
        soft = np.zeros((len(labels), self.num_classes), np.float32)
        samples = np.arange(len(labels))
        # Two additions, since both labels may be the same class.
        soft[samples, labels] += lam
        soft[samples, np.roll(labels, -half)] += 1 - lam
        return images, soft

    def _mix_images(self, images: np.ndarray, half: int, rng: np.random.Generator) -> float:
        """Mix in place; return lambda, the weight of the original samples."""
        if self._draws_cutmix(rng):
            height, width = images.shape[2:]
            inside, lam = random_box(height, width, rng.beta(self.cutmix, self.cutmix), rng)
            box = (slice(None), slice(None), *inside)
            images[box] = np.roll(images[box], -half, axis=0)
            return lam
        lam = rng.beta(self.mixup, self.mixup)
        others = np.roll(images, -half, axis=0)
        others *= np.float32(1 - lam)
        images *= np.float32(lam)
        images += others
        return lam

    def _draws_cutmix(self, rng: np.random.Generator) -> bool:
        if self.mixup and self.cutmix:
            return rng.random() < self.switch_prob
        return self.cutmix > 0


def random_box(
    height: int, width: int, lam: float, rng: np.random.Generator
) -> tuple[tuple[slice, slice], float]:
    """Draw CutMix's box: the image's shape scaled to the area 1 - ``lam``, with uniform centre.

    Returns:
        Rows and columns of the box clipped to the image, and the fraction of the image outside the
        clipped box.
    """
    side = math.sqrt(1 - lam)
    rows = _clipped(rng.integers(height), int(height * side), height)
    columns = _clipped(rng.integers(width), int(width * side), width)
    area = (rows.stop - rows.start) * (columns.stop - columns.start)
    return (rows, columns), 1 - area / (height * width)


def _clipped(centre: int, length: int, limit: int) -> slice:
    half = length // 2
    return slice(max(int(centre) - half, 0), min(int(centre) + half, limit))

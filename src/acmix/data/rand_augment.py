"""RandAugment with operations whose effect grows with the magnitude (Cubuk, arXiv:1909.13719).

The policy is the one known as ``rand-m9-mstd0.5-inc1``, by which Swin and PVT were trained: two of
fifteen operations, drawn with replacement, each applied with probability 1/2 at a magnitude drawn
around 9 of 10. Operations are functions of an image and a severity in 0..1; where an effect has two
directions, the severity's sign chooses one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

MAX_MAGNITUDE = 10.0
"""Magnitude of the greatest severity."""
APPLY_PROBABILITY = 0.5
"""Of each drawn operation."""


@dataclass(frozen=True)
class Warp:
    """How operations that move pixels resample, and what they fill in from outside."""

    resample: Image.Resampling = Image.Resampling.BILINEAR
    fill: int | tuple[int, ...] = 0

    def affine(self, image: Image.Image, matrix: tuple[float, ...]) -> Image.Image:
        """Take pixel (x, y) of the result from (ax + by + c, dx + ey + f) of ``image``."""
        return image.transform(
            image.size, Image.Transform.AFFINE, matrix, self.resample, fillcolor=self.fill
        )

    def rotate(self, image: Image.Image, degrees: float) -> Image.Image:
        """Rotate counter-clockwise around the centre."""
        return image.rotate(degrees, self.resample, fillcolor=self.fill)


Change = Callable[[Image.Image, float, Warp], Image.Image]


@dataclass(frozen=True)
class Operation:
    """A change of an image, and whether its severity has a sign."""

    change: Change
    signed: bool = False


class RandAugment:
    """Applies random operations to an image.

    Args:
        magnitude: mean strength in 0..10.
        std: standard deviation of the strength.
        layers: operations drawn for each image.
        warp: resampling of the operations that move pixels.
    """

    def __init__(self, magnitude: float, std: float, layers: int, warp: Warp) -> None:
        self.magnitude = magnitude
        self.std = std
        self.layers = layers
        self.warp = warp

    def __call__(self, image: Image.Image, rng: np.random.Generator) -> Image.Image:
        """Return the augmented image, of the same size and mode."""
        for name, severity in self.draw(rng):
            image = OPERATIONS[name].change(image, severity, self.warp)
        return image

    def draw(self, rng: np.random.Generator) -> list[tuple[str, float]]:
        """Return the operations to apply, each with its severity."""
        drawn = []
        for index in rng.integers(len(OPERATIONS), size=self.layers):
            if rng.random() >= APPLY_PROBABILITY:
                continue
            name = tuple(OPERATIONS)[index]
            strength = np.clip(rng.normal(self.magnitude, self.std), 0, MAX_MAGNITUDE)
            negative = OPERATIONS[name].signed and rng.random() < 0.5
            drawn.append((name, float(strength / MAX_MAGNITUDE) * (-1 if negative else 1)))
        return drawn


def _posterize(image: Image.Image, severity: float, warp: Warp) -> Image.Image:
    # Pillow refuses to keep 0 bits, and nothing is learned from a black image.
    return ImageOps.posterize(image, max(1, 4 - int(4 * severity)))


def _solarize(image: Image.Image, severity: float, warp: Warp) -> Image.Image:
    return ImageOps.solarize(image, 256 - int(256 * severity))


def _solarize_add(image: Image.Image, severity: float, warp: Warp) -> Image.Image:
    """Brighten the darker half of the levels."""
    added = int(110 * severity)
    levels = [min(255, level + added) if level < 128 else level for level in range(256)]
    return image.point(levels * len(image.getbands()))


def _enhance(kind: Callable[[Image.Image], ImageEnhance._Enhance]) -> Operation:
    def change(image: Image.Image, severity: float, warp: Warp) -> Image.Image:
        return kind(image).enhance(max(0.1, 1 + 0.9 * severity))

    return Operation(change, signed=True)


def _affine(
    matrix: Callable[[float, tuple[int, int]], tuple[float, ...]],
) -> Operation:
    def change(image: Image.Image, severity: float, warp: Warp) -> Image.Image:
        return warp.affine(image, matrix(severity, image.size))

    return Operation(change, signed=True)


OPERATIONS: dict[str, Operation] = {
    "AutoContrast": Operation(lambda image, severity, warp: ImageOps.autocontrast(image)),
    "Equalize": Operation(lambda image, severity, warp: ImageOps.equalize(image)),
    "Invert": Operation(lambda image, severity, warp: ImageOps.invert(image)),
    "Rotate": Operation(
        lambda image, severity, warp: warp.rotate(image, 30 * severity), signed=True
    ),
    "Posterize": Operation(_posterize),
    "Solarize": Operation(_solarize),
    "SolarizeAdd": Operation(_solarize_add),
    "Color": _enhance(ImageEnhance.Color),
    "Contrast": _enhance(ImageEnhance.Contrast),
    "Brightness": _enhance(ImageEnhance.Brightness),
    "Sharpness": _enhance(ImageEnhance.Sharpness),
    "ShearX": _affine(lambda severity, size: (1, 0.3 * severity, 0, 0, 1, 0)),
    "ShearY": _affine(lambda severity, size: (1, 0, 0, 0.3 * severity, 1, 0)),
    "TranslateX": _affine(lambda severity, size: (1, 0, 0.45 * severity * size[0], 0, 1, 0)),
    "TranslateY": _affine(lambda severity, size: (1, 0, 0, 0, 1, 0.45 * severity * size[1])),
}
"""By name; the order is part of what a seed means."""

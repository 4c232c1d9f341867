"""RandAugment with operations whose effect grows with the magnitude (Cubuk, arXiv:1909.13719).

The policy is known as ``rand-m9-mstd0.5-inc1``; Swin and PVT were trained with it. Two of fifteen
operations are drawn with replacement. Each is applied with probability 1/2, at a magnitude drawn
around 9 of 10. Operations are functions of an image and a severity in 0..1; the sign of the
severity selects one of two directions where an operation has them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

MAX_MAGNITUDE = 10.0
"""Magnitude that corresponds to severity 1."""
APPLY_PROBABILITY = 0.5
"""Probability that a drawn operation is applied."""


@dataclass(frozen=True)
class Warp:
    """Resampling filter and fill colour of geometric operations."""

    resample: Image.Resampling = Image.Resampling.BILINEAR
    fill: int | tuple[int, ...] = 0

    def affine(self, image: Image.Image, matrix: tuple[float, ...]) -> Image.Image:
        """Map pixel (x, y) of the result to (ax + by + c, dx + ey + f) of ``image``."""
        return image.transform(
            image.size, Image.Transform.AFFINE, matrix, self.resample, fillcolor=self.fill
        )

    def rotate(self, image: Image.Image, degrees: float) -> Image.Image:
        """Rotate counter-clockwise around the centre."""
        return image.rotate(degrees, self.resample, fillcolor=self.fill)


Change = Callable[[Image.Image, float, Warp], Image.Image]


@dataclass(frozen=True)
class Operation:
    """Image operation; ``signed`` if its severity can be negative."""

    change: Change
    signed: bool = False


class RandAugment:
    """Applies random operations to an image.

    Args:
        magnitude: mean magnitude in 0..10.
        std: standard deviation of the magnitude.
        layers: number of operations drawn per image.
        warp: resampling of geometric operations.
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
    # At least 1 bit: Pillow rejects 0, and a black image carries no information.
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
"""Operations by name; their order determines the result of a seed."""

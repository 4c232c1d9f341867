"""What a training image for a detector shows: a part of the original, mirrored and resized."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from acmix.config import DetectionDataConfig
from acmix.data.instance_masks import MIN_SIDE, InstanceMasks, PixelMap
from acmix.data.sizes import keep_ratio


@dataclass(frozen=True)
class View:
    """Part, side and direction of a training image.

    Attributes:
        left, top, width, height: the part in pixels of the original.
        short_side: of the resized part in pixels; the long side may reduce it.
        flip: whether left and right are exchanged.
    """

    left: int
    top: int
    width: int
    height: int
    short_side: int
    flip: bool

    @classmethod
    def draw(
        cls, config: DetectionDataConfig, width: int, height: int, rng: np.random.Generator
    ) -> View:
        """Draw the view of an image of ``width`` x ``height`` pixels by the rules of ``config``.

        With the probability ``crop_probability`` it is a part: sides are drawn from ``crop_sides``
        in pixels of an image whose short side is one of ``crop_short_side``, as in DETR (Carion et
        al., ECCV 2020), whose augmentation Swin's detectors have.
        """
        short_side = int(rng.choice(config.short_side))
        flip = bool(rng.random() < config.hflip)
        if config.crop_probability == 0 or rng.random() >= config.crop_probability:
            return cls(0, 0, width, height, short_side, flip)
        wide, high = keep_ratio(
            width, height, int(rng.choice(config.crop_short_side)), config.long_side
        )
        low, most = config.crop_sides
        left, part_width = _part(rng, width, wide, low, most)
        top, part_height = _part(rng, height, high, low, most)
        return cls(left, top, part_width, part_height, short_side, flip)

    def cut(self, image: Image.Image) -> Image.Image:
        """Return the part of the original."""
        if image.size == (self.width, self.height):
            return image
        box = (self.left, self.top, self.left + self.width, self.top + self.height)
        return image.crop(box)

    def boxes(self, boxes: np.ndarray) -> np.ndarray:
        """Return boxes (n, 4) of the original in pixels of the part, cut at its borders."""
        moved = boxes - np.array([self.left, self.top] * 2)
        return np.clip(moved, 0, np.array([self.width, self.height] * 2))

    def pixels(self, masks: InstanceMasks) -> PixelMap:
        """Return which pixel of masks of the original each pixel of the part shows."""
        whole = PixelMap.identity(masks.height, masks.width)
        return whole.crop(self.top, self.left, self.height, self.width)

    def visible(self, boxes: np.ndarray, masks: InstanceMasks | None) -> np.ndarray:
        """Return the indices of the objects of which the part shows something.

        Boxes that are left with sides of rounding errors would have infinite targets. Where a crop
        leaves only an empty corner of a box, its mask is empty: there is nothing to learn.

        Args:
            boxes: (n, 4) of the original.
            masks: of the original, or None.
        """
        cut = self.boxes(boxes)
        kept = np.flatnonzero((cut[:, 2:] - cut[:, :2] >= MIN_SIDE).all(axis=1))
        if masks is None or (masks.width, masks.height) == (self.width, self.height):
            return kept
        pixels = self.pixels(masks)
        return np.array([i for i in kept if pixels(masks[i]).any()], np.int64)


def _part(
    rng: np.random.Generator, side: int, resized: int, low: int, most: int
) -> tuple[int, int]:
    """Draw where a part starts along one axis, and how long it is, in pixels of the original."""
    length = int(rng.integers(min(resized, low), min(resized, most), endpoint=True))
    length = min(max(round(length * side / resized), 1), side)
    return int(rng.integers(0, side - length, endpoint=True)), length

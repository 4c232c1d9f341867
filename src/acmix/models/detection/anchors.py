"""Anchor boxes: fixed boxes of several sizes and shapes around every location of every level."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from acmix.errors import check
from acmix.ops.constants import constant


class AnchorGenerator:
    """Anchors of RetinaNet (Lin et al., ICCV 2017, Sec. 4), placed as in mmdetection.

    At a level of stride s the areas are (s * base_scale * 2^(i / scales_per_octave))^2 for
    i = 0 .. scales_per_octave - 1, each in every aspect ratio.

    Args:
        strides: network pixels per location, per level.
        base_scale: side of the smallest square anchor in strides; RetinaNet 4, RPN 8.
        scales_per_octave: sizes per level; RetinaNet 3, RPN 1.
        ratios: height / width.

    Attributes:
        num_anchors: anchors per location.

    Raises:
        UserError: an argument is not positive, or empty.
    """

    def __init__(
        self,
        strides: Sequence[int],
        base_scale: float = 4,
        scales_per_octave: int = 3,
        ratios: Sequence[float] = (0.5, 1, 2),
    ):
        for name, values in (("strides", strides), ("ratios", ratios)):
            check(
                len(values) > 0 and min(values) > 0,
                f"{name} must be positive numbers, at least one, got {values}.",
            )
        check(base_scale > 0, f"base_scale must be positive, got {base_scale}.")
        check(
            scales_per_octave >= 1,
            f"scales_per_octave must be at least 1, got {scales_per_octave}.",
        )
        self.strides = tuple(strides)
        scales = base_scale * 2 ** (np.arange(scales_per_octave) / scales_per_octave)
        roots = np.sqrt(np.array(ratios, np.float64))
        self._widths = (scales / roots[:, None]).reshape(-1)  # in strides; ratio, then scale
        self._heights = (scales * roots[:, None]).reshape(-1)
        self.num_anchors = len(self._widths)

    def __call__(self, sizes: Sequence[tuple[int, int]]) -> np.ndarray:
        """Return the anchors of maps of the given (height, width), one per level.

        The location (x, y) of a map is at the pixel (x * stride, y * stride) of the image.

        Returns:
            (A, 4) float32 boxes in the order level, y, x, ratio, scale; not cut at the border.

        Raises:
            UserError: there is not one size per stride.
        """
        check(
            len(sizes) == len(self.strides),
            f"sizes must have one (height, width) per level, {len(self.strides)}, got {sizes}.",
        )
        levels = [
            stride * self._level(height, width)
            for stride, (height, width) in zip(self.strides, sizes, strict=True)
        ]
        return np.concatenate(levels).astype(np.float32)

    def _level(self, height: int, width: int) -> np.ndarray:
        """Return the anchors of one map, (height * width * num_anchors, 4), in strides."""
        y, x = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
        centres = np.stack([x, y, x, y], -1).reshape(-1, 1, 4)
        half = np.stack([-self._widths, -self._heights, self._widths, self._heights], -1) / 2
        return (centres + half).reshape(-1, 4)


@constant
def anchor_counts(sizes: tuple[tuple[int, int], ...], num_anchors: int) -> tuple[int, ...]:
    """Return the number of anchors of each level, of maps of the given (height, width)."""
    return tuple(height * width * num_anchors for height, width in sizes)

"""Boxes as offsets from anchors, the numbers a detector regresses."""

from __future__ import annotations

import math
from dataclasses import dataclass

import mindspore as ms
import numpy as np
from mindspore import Tensor, ops

from acmix.errors import check
from acmix.ops.constants import tensor_constant

_SMALLEST_SIDE = 1e-3  # pixels; padding and other empty boxes would have logarithms of 0


@ms.jit_class
@dataclass(frozen=True)
class BoxCoder:
    """The parametrisation of R-CNN (Girshick et al., CVPR 2014, App. C), in float32.

    dx = (x - x_a) / w_a, dy = (y - y_a) / h_a, dw = log(w / w_a), dh = log(h / h_a) between the
    centres and sides of a box and its anchor, each divided by its standard deviation. Empty boxes
    and anchors are taken to be 0.001 pixels wide, so that every number is finite.

    Args:
        stds: standard deviations of dx, dy, dw, dh.
        max_ratio: a decoded side is at most this many times longer or shorter than the anchor's,
            as in mmdetection; keeps the exponential finite.

    Raises:
        UserError: ``stds`` are not four positive numbers, or ``max_ratio`` is not above 1.
    """

    stds: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    max_ratio: float = 1000 / 16

    def __post_init__(self) -> None:
        check(
            len(self.stds) == 4 and min(self.stds) > 0,
            f"stds must be four positive numbers (dx, dy, dw, dh), got {self.stds}.",
        )
        check(self.max_ratio > 1, f"max_ratio must be above 1, got {self.max_ratio}.")

    def encode(self, boxes: Tensor, anchors: Tensor) -> Tensor:
        """Return the offsets of boxes from anchors, (..., 4) each; the leading axes broadcast."""
        x, y, width, height = _centres_and_sides(boxes)
        anchor_x, anchor_y, anchor_width, anchor_height = _centres_and_sides(anchors)
        deltas = (
            (x - anchor_x) / anchor_width,
            (y - anchor_y) / anchor_height,
            ops.log(width / anchor_width),
            ops.log(height / anchor_height),
        )
        return ops.cat(deltas, -1) / _row(self.stds)

    def decode(self, deltas: Tensor, anchors: Tensor) -> Tensor:
        """Return the boxes at these offsets from anchors, (..., 4) each; not cut at any border."""
        deltas = deltas.astype(ms.float32) * _row(self.stds)
        dx, dy, dw, dh = ops.split(deltas, 1, -1)
        anchor_x, anchor_y, anchor_width, anchor_height = _centres_and_sides(anchors)
        x = anchor_x + dx * anchor_width
        y = anchor_y + dy * anchor_height
        half_width = 0.5 * anchor_width * self._scale(dw)
        half_height = 0.5 * anchor_height * self._scale(dh)
        corners = (x - half_width, y - half_height, x + half_width, y + half_height)
        return ops.cat(corners, -1)

    def _scale(self, log_scale: Tensor) -> Tensor:
        bound = math.log(self.max_ratio)
        return ops.exp(ops.clip_by_value(log_scale, -bound, bound))


def _centres_and_sides(boxes: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    x1, y1, x2, y2 = ops.split(boxes.astype(ms.float32), 1, -1)
    width = ops.maximum(x2 - x1, _SMALLEST_SIDE)
    height = ops.maximum(y2 - y1, _SMALLEST_SIDE)
    return 0.5 * (x1 + x2), 0.5 * (y1 + y2), width, height


@tensor_constant
def _row(numbers: tuple[float, ...]) -> np.ndarray:
    return np.array(numbers, np.float32)

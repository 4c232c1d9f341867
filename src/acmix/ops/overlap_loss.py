"""Losses of boxes by their overlap, in float32."""

from __future__ import annotations

from mindspore import Tensor, ops

from acmix.ops.boxes import box_area

_SMALLEST_AREA = 1e-6  # square pixels, as in mmdetection


def giou_loss(a: Tensor, b: Tensor) -> Tensor:
    """Return 1 - IoU + (area of the hull outside of the union) / (area of the hull), 0 to 2.

    Rezatofighi et al., "Generalized Intersection over Union", CVPR 2019. The hull is the smallest
    box around both.

    Shape:
        a, b: (..., 4) boxes in pixels. Output: (...).
    """
    ax1, ay1, ax2, ay2 = ops.split(a, 1, -1)
    bx1, by1, bx2, by2 = ops.split(b, 1, -1)
    common = (
        ops.maximum(ax1, bx1),
        ops.maximum(ay1, by1),
        ops.minimum(ax2, bx2),
        ops.minimum(ay2, by2),
    )
    around = (
        ops.minimum(ax1, bx1),
        ops.minimum(ay1, by1),
        ops.maximum(ax2, bx2),
        ops.maximum(ay2, by2),
    )
    intersection = box_area(ops.cat(common, -1))
    union = ops.maximum(box_area(a) + box_area(b) - intersection, _SMALLEST_AREA)
    hull = ops.maximum(box_area(ops.cat(around, -1)), _SMALLEST_AREA)
    return 1 - intersection / union + (hull - union) / hull

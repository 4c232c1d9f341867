"""COCO's average precision of boxes or masks, by pycocotools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any, Literal

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

Kind = Literal["bbox", "segm"]
"""What is compared: boxes or masks."""

_NUMBERS = (
    "mAP", "mAP_50", "mAP_75", "mAP_s", "mAP_m", "mAP_l",
    "AR_1", "AR_10", "AR_100", "AR_s", "AR_m", "AR_l",
)  # fmt: skip


def coco_numbers(kind: Kind) -> tuple[str, ...]:
    """Return the names of the twelve COCO metrics, in the order of pycocotools."""
    return tuple(f"{kind}_{number}" for number in _NUMBERS)


def evaluate(
    truth: COCO,
    results: Sequence[dict[str, Any]],
    kind: Kind,
    image_ids: Sequence[Any],
    category_ids: Sequence[int],
) -> COCOeval:
    """Run pycocotools without its console output.

    Args:
        truth: annotations of the split.
        results: detections as in COCO's result files; not changed.
        kind: what to compare.
        image_ids: images to evaluate.
        category_ids: categories to evaluate.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth, _detections(truth, results, kind), kind)
        evaluation.params.imgIds = list(image_ids)
        evaluation.params.catIds = list(category_ids)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def _detections(truth: COCO, results: Sequence[dict[str, Any]], kind: Kind) -> COCO:
    if not results:
        empty = COCO()  # loadRes fails on an empty list
        empty.dataset = {**truth.dataset, "annotations": []}
        empty.createIndex()
        return empty
    # loadRes changes its argument. It takes areas from boxes wherever there are any, so the sizes
    # of masks are right only without boxes, and a mask without a box has the right one.
    dropped = "segmentation" if kind == "bbox" else "bbox"
    return truth.loadRes(
        [{key: value for key, value in one.items() if key != dropped} for one in results]
    )

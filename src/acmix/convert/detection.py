"""Two-stage detectors with the names of mmdetection, which Swin's and PVT's code for COCO share."""

from __future__ import annotations

from acmix.convert.dialects import Dialect
from acmix.convert.layers import BATCH_COUNTER, COMMON, PYRAMID
from acmix.convert.rules import Family, Rule
from acmix.models.detection import BalancedSampler


def _family(head: str) -> Family:
    """Return the family of detectors whose heads are called ``head`` in mmdetection."""
    return Family(
        rules={**COMMON, BalancedSampler: (Rule("random_state", ()),)},
        renames=(
            PYRAMID,
            (r"^roi_head\.stages\.(\d+)\.box_head(?=\.|$)", f"roi_head.bbox_head{head}"),
            (r"^roi_head\.stages\.(\d+)\.mask_head(?=\.|$)", f"roi_head.mask_head{head}"),
        ),
        ignored=BATCH_COUNTER,
        dialects=(
            Dialect(
                "",
                roots=r"(backbone|neck|rpn_head|roi_head)\.",
                signature=r"^roi_head\.bbox_head\.",
            ),
        ),
    )


MASK_RCNN = _family("")
CASCADE_MASK_RCNN = _family(r".\1")

"""Detectors with the names of mmdetection, which Swin's and PVT's code for COCO share."""

from __future__ import annotations

import numpy as np

from acmix.convert.dialects import Dialect
from acmix.convert.layers import BATCH_COUNTER, COMMON, PYRAMID
from acmix.convert.rules import Family, Rule
from acmix.models.detection import BalancedSampler
from acmix.models.fpn import FPN


def _extra_convs(pyramid: FPN) -> tuple[Rule, ...]:
    """Return the rules of the extra levels, which mmdetection counts on after the others."""
    first = len(pyramid.fpn_convs)
    return tuple(
        Rule(f"extra_convs.{i}.{kind}", (f"fpn_convs.{first + i}.conv.{kind}",))
        for i in range(len(pyramid.extra_convs))
        for kind in ("weight", "bias")
    )


RETINANET = Family(
    rules={**COMMON, FPN: _extra_convs},
    renames=(
        PYRAMID,
        # Behind each convolution of ours stands ReLU, a Cell without weights.
        (
            r"^head\.(cls|reg)_convs\.(\d+)(?=\.|$)",
            lambda match: f"bbox_head.{match[1]}_convs.{int(match[2]) // 2}.conv",
        ),
        (r"^head\.", "bbox_head."),
    ),
    ignored=BATCH_COUNTER,
    dialects=(
        Dialect("", roots=r"(backbone|neck|bbox_head)\.", signature=r"^bbox_head\.retina_cls\."),
    ),
)


def _two_stage(stage: str, first: str, *others: Dialect) -> Family:
    """Return a family whose heads have ``stage``, made of a stage's number, behind their names.

    Args:
        stage: replacement of ``re.sub``.
        first: pattern of that of the first stage.
        others: other libraries' names.
    """
    return Family(
        rules={**COMMON, BalancedSampler: (Rule("random_state", ()),)},
        renames=(
            PYRAMID,
            (r"^roi_head\.stages\.(\d+)\.box_head(?=\.|$)", f"roi_head.bbox_head{stage}"),
            (r"^roi_head\.stages\.(\d+)\.mask_head(?=\.|$)", f"roi_head.mask_head{stage}"),
        ),
        ignored=BATCH_COUNTER,
        dialects=(
            *others,
            Dialect(
                "",
                roots=r"(backbone|neck|rpn_head|roi_head)\.",
                signature=rf"^roi_head\.bbox_head{first}\.fc_cls\.",
            ),
        ),
    )


def _background_last(array: np.ndarray) -> np.ndarray:
    return np.concatenate([array[1:], array[:1]])


_TORCHVISION_MASK_RCNN = Dialect(
    "torchvision's Mask R-CNN",
    roots=r"(backbone\.(body|fpn)|rpn\.head|roi_heads)\.",
    signature=r"^roi_heads\.box_predictor\.cls_score\.",
    absent=r"^(rpn\.head\.conv\.1|roi_heads\.box_head\.\d+)\.",
    # Versions before 0.13 have no number behind a layer that is now one of a block.
    renames=(
        (r"^backbone\.body\.", "backbone."),
        (r"^backbone\.fpn\.inner_blocks\.(\d+)\.(?:0\.)?(?!\d)", r"neck.lateral_convs.\1.conv."),
        (r"^backbone\.fpn\.layer_blocks\.(\d+)\.(?:0\.)?(?!\d)", r"neck.fpn_convs.\1.conv."),
        (r"^rpn\.head\.conv\.(?:0\.0\.)?(?!\d)", "rpn_head.rpn_conv."),
        (r"^rpn\.head\.cls_logits\.", "rpn_head.rpn_cls."),
        (r"^rpn\.head\.bbox_pred\.", "rpn_head.rpn_reg."),
        (r"^roi_heads\.box_head\.fc6\.", "roi_head.bbox_head.shared_fcs.0."),
        (r"^roi_heads\.box_head\.fc7\.", "roi_head.bbox_head.shared_fcs.1."),
        (r"^roi_heads\.box_predictor\.cls_score\.", "roi_head.bbox_head.fc_cls."),
        (r"^roi_heads\.box_predictor\.bbox_pred\.", "roi_head.bbox_head.fc_reg."),
        (r"^roi_heads\.mask_head\.(\d+)\.0\.", r"roi_head.mask_head.convs.\1.conv."),
        (
            r"^roi_heads\.mask_head\.mask_fcn([1-9])\.",
            lambda match: f"roi_head.mask_head.convs.{int(match[1]) - 1}.conv.",
        ),
        (r"^roi_heads\.mask_predictor\.conv5_mask\.", "roi_head.mask_head.upsample."),
        (r"^roi_heads\.mask_predictor\.mask_fcn_logits\.", "roi_head.mask_head.conv_logits."),
    ),
    # Its first class is the background, which has boxes and masks, too.
    transforms=(
        (r"^roi_head\.bbox_head\.fc_cls\.", _background_last),
        (r"^roi_head\.bbox_head\.fc_reg\.", lambda array: array[4:]),
        (r"^roi_head\.mask_head\.conv_logits\.", lambda array: array[1:]),
    ),
)

MASK_RCNN = _two_stage("", "", _TORCHVISION_MASK_RCNN)
CASCADE_MASK_RCNN = _two_stage(r".\1", r"\.0")

UNREAD = (
    Dialect(
        "torchvision's Mask R-CNN v2",
        roots=_TORCHVISION_MASK_RCNN.roots,
        signature=_TORCHVISION_MASK_RCNN.absent,
        refusal="its pyramid and heads have norms",
    ),
    Dialect(
        "torchvision's RetinaNet",
        roots=r"(backbone\.(body|fpn)|head)\.",
        signature=r"^head\.classification_head\.",
        refusal="its pyramid has ReLU between the last levels",
    ),
    Dialect(
        "a detector of detectron2",
        roots=r"(backbone|proposal_generator|roi_heads)\.",
        signature=r"^(proposal_generator\.rpn_head|backbone\.bottom_up)\.",
        refusal="its ResNets have their strides in other convolutions",
    ),
)
"""Detectors that are known by their names, and why they are not read as a whole."""

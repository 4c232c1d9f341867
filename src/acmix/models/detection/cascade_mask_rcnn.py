"""Cascade Mask R-CNN: Cai and Vasconcelos, "Cascade R-CNN", TPAMI 2019, with Swin's heads.

Swin's detectors (Liu et al., ICCV 2021) have convolutions in their box heads and the loss of GIoU;
the rest is mmdetection's.
"""

from __future__ import annotations

from acmix.models.backbone import Backbone
from acmix.models.detection.box_head import BoxHead
from acmix.models.detection.coder import BoxCoder
from acmix.models.detection.mask_head import MaskHead
from acmix.models.detection.matcher import Matcher
from acmix.models.detection.post_process import PostProcess
from acmix.models.detection.roi_head import BOX_SIDE, RoIHead, RoIStage
from acmix.models.detection.two_stage import TwoStageDetector

STAGES = (
    (0.5, (0.1, 0.1, 0.2, 0.2), 1.0),
    (0.6, (0.05, 0.05, 0.1, 0.1), 0.5),
    (0.7, (0.033, 0.033, 0.067, 0.067), 0.25),
)
"""Of each stage: IoU from which a proposal is positive, deviations of deltas, weight of losses."""


class CascadeMaskRCNN(TwoStageDetector):
    """Region proposals, and three stages of classes, boxes and masks.

    Args:
        backbone, num_classes, channels, mask_convs, mask_channels: see :class:`MaskRCNN`.
        box_convs: convolutions with BatchNorm of each box head.
        box_fcs, fc_channels: its linear layers, and their channels.
        class_wise: whether every class has deltas of its own. Without, with two linear layers and
            no convolution, the heads are those of mmdetection's ``cascade_mask_rcnn_r50_fpn``.
        box_loss_weight: of the GIoU loss.
        samples, positive_fraction, anchor_scale, rpn_samples: see :class:`MaskRCNN`.
        top_k, training_top_k, proposals, training_proposals, proposal_overlap: see there.
        sampling_ratio: samples per bin and axis of RoIAlign.
        post_process: how detections are chosen.
    """

    def __init__(
        self,
        backbone: Backbone,
        num_classes: int = 80,
        channels: int = 256,
        box_convs: int = 4,
        box_fcs: int = 1,
        fc_channels: int = 1024,
        class_wise: bool = True,
        box_loss_weight: float = 10.0,
        mask_convs: int = 4,
        mask_channels: int = 256,
        samples: int = 512,
        positive_fraction: float = 0.25,
        anchor_scale: float = 8,
        rpn_samples: int = 256,
        top_k: int = 1000,
        training_top_k: int = 2000,
        proposals: int = 1000,
        training_proposals: int = 2000,
        proposal_overlap: float = 0.7,
        sampling_ratio: int = 2,
        post_process: PostProcess = PostProcess(),  # noqa: B008 (frozen)
    ):
        strides = [stage.reduction for stage in backbone.feature_info]
        stages = []
        for overlap, stds, weight in STAGES:
            box_head = BoxHead(
                channels,
                BOX_SIDE,
                num_classes,
                num_convs=box_convs,
                num_fcs=box_fcs,
                conv_channels=channels,
                fc_channels=fc_channels,
                class_wise=class_wise,
                coder=BoxCoder(stds),
                box_loss="giou",
                box_loss_weight=box_loss_weight,
            )
            stages.append(
                RoIStage(
                    strides,
                    sampling_ratio,
                    Matcher(overlap, overlap, allow_low_quality=False),
                    samples,
                    positive_fraction,
                    box_head,
                    MaskHead(channels, num_classes, mask_convs, mask_channels),
                    weight,
                )
            )
        super().__init__(
            backbone,
            num_classes,
            channels,
            RoIHead(stages),
            anchor_scale=anchor_scale,
            inside_only=True,
            rpn_samples=rpn_samples,
            rpn_beta=1 / 9,
            top_k=top_k,
            training_top_k=training_top_k,
            proposals=proposals,
            training_proposals=training_proposals,
            proposal_overlap=proposal_overlap,
            post_process=post_process,
        )

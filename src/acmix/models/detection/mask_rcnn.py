"""Mask R-CNN: He et al., ICCV 2017, with boxes and masks of every proposal.

As in mmdetection, where it differs from the paper.
"""

from __future__ import annotations

from acmix.models.backbone import Backbone
from acmix.models.detection.box_head import BoxHead
from acmix.models.detection.mask_head import MaskHead
from acmix.models.detection.matcher import Matcher
from acmix.models.detection.post_process import PostProcess
from acmix.models.detection.roi_head import BOX_SIDE, RoIHead, RoIStage
from acmix.models.detection.two_stage import TwoStageDetector


class MaskRCNN(TwoStageDetector):
    """Region proposals, and one stage of classes, boxes and masks.

    Args:
        backbone: made with ``features_only=True``.
        num_classes: K.
        channels: of the pyramid.
        fc_channels: of the box head's two linear layers.
        mask_convs, mask_channels: convolutions of the mask head.
        samples: proposals of an image to learn from.
        positive_fraction: largest share of positives among them; only these learn masks.
        anchor_scale, rpn_samples: see :class:`TwoStageDetector`.
        top_k, training_top_k, proposals, training_proposals, proposal_overlap: see there.
        sampling_ratio: samples per bin and axis of RoIAlign.
        post_process: how detections are chosen.
    """

    def __init__(
        self,
        backbone: Backbone,
        num_classes: int = 80,
        channels: int = 256,
        fc_channels: int = 1024,
        mask_convs: int = 4,
        mask_channels: int = 256,
        samples: int = 512,
        positive_fraction: float = 0.25,
        anchor_scale: float = 8,
        rpn_samples: int = 256,
        top_k: int = 1000,
        training_top_k: int = 2000,
        proposals: int = 1000,
        training_proposals: int = 1000,
        proposal_overlap: float = 0.7,
        sampling_ratio: int = 2,
        post_process: PostProcess = PostProcess(),  # noqa: B008 (frozen)
    ):
        stage = RoIStage(
            [stage.reduction for stage in backbone.feature_info],
            sampling_ratio,
            Matcher(0.5, 0.5, boxes_claim=True, low_quality=0.5),
            samples,
            positive_fraction,
            BoxHead(channels, BOX_SIDE, num_classes, fc_channels=fc_channels),
            MaskHead(channels, num_classes, mask_convs, mask_channels),
        )
        super().__init__(
            backbone,
            num_classes,
            channels,
            RoIHead([stage]),
            anchor_scale=anchor_scale,
            inside_only=False,
            rpn_samples=rpn_samples,
            rpn_beta=0.0,
            top_k=top_k,
            training_top_k=training_top_k,
            proposals=proposals,
            training_proposals=training_proposals,
            proposal_overlap=proposal_overlap,
            post_process=post_process,
        )

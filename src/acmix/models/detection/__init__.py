"""Object detectors built on any registered backbone, from small parts that know no network.

A new detector is one file here and one line in :mod:`acmix.models.catalogue`.
"""

from acmix.models.detection.anchors import AnchorGenerator
from acmix.models.detection.cascade_mask_rcnn import CascadeMaskRCNN
from acmix.models.detection.coder import BoxCoder
from acmix.models.detection.detector import Detector
from acmix.models.detection.host import Detections, HostPostProcess
from acmix.models.detection.mask_rcnn import MaskRCNN
from acmix.models.detection.matcher import Matcher
from acmix.models.detection.one_stage import OneStageDetector
from acmix.models.detection.pooler import MultiLevelPooler
from acmix.models.detection.post_process import PostProcess
from acmix.models.detection.registry import create_detector, list_detectors
from acmix.models.detection.retinanet import RetinaNet
from acmix.models.detection.sampler import BalancedSampler
from acmix.models.detection.two_stage import TwoStageDetector
from acmix.models.fpn import FPN
from acmix.models.freeze import freeze_norm, freeze_stages

__all__ = [
    "FPN",
    "AnchorGenerator",
    "BalancedSampler",
    "BoxCoder",
    "CascadeMaskRCNN",
    "Detections",
    "Detector",
    "HostPostProcess",
    "MaskRCNN",
    "Matcher",
    "MultiLevelPooler",
    "OneStageDetector",
    "PostProcess",
    "RetinaNet",
    "TwoStageDetector",
    "create_detector",
    "freeze_norm",
    "freeze_stages",
    "list_detectors",
]

"""Semantic segmentation on any registered backbone: a class for every pixel.

A new segmenter is one file here and one line in :mod:`acmix.models.catalogue`.
"""

from acmix.models.segmentation.registry import create_segmenter, list_segmenters
from acmix.models.segmentation.segmenter import IGNORED, Segmenter
from acmix.models.segmentation.semantic_fpn import SemanticFPN
from acmix.models.segmentation.upernet import UperNet

__all__ = [
    "IGNORED",
    "Segmenter",
    "SemanticFPN",
    "UperNet",
    "create_segmenter",
    "list_segmenters",
]

"""Data sets: sources of samples, decoding, augmentation, batching and sharding."""

from acmix.data.dataset import ImageDataset
from acmix.data.detection import DetectionDataset
from acmix.data.detection_preprocess import DetectionPreprocess, buckets
from acmix.data.factory import create_dataset
from acmix.data.mindrecord_copy import prepare_mindrecord
from acmix.data.preprocess import Preprocess
from acmix.data.segmentation import SegmentationDataset
from acmix.data.segmentation_preprocess import SegmentationPreprocess

__all__ = [
    "DetectionDataset",
    "DetectionPreprocess",
    "ImageDataset",
    "Preprocess",
    "SegmentationDataset",
    "SegmentationPreprocess",
    "buckets",
    "create_dataset",
    "prepare_mindrecord",
]

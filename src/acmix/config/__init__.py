"""Configuration: frozen, typed, range-checked dataclasses read from small YAML files.

A new task adds a module with a class under ``@register_task_config`` and imports it here.
"""

from acmix.config.classification import (
    ClassificationConfig,
    ClassificationDataConfig,
    LossConfig,
)
from acmix.config.data import DataConfig
from acmix.config.detection import DetectionConfig, DetectionDataConfig, DetectorConfig
from acmix.config.loader import load_config
from acmix.config.run import TASK_CONFIGS, Config
from acmix.config.sections import (
    ModelConfig,
    OptimConfig,
    RuntimeConfig,
    ScheduleConfig,
    TrainConfig,
)
from acmix.config.segmentation import SegmentationConfig, SegmentationDataConfig, SegmenterConfig

__all__ = [
    "TASK_CONFIGS",
    "ClassificationConfig",
    "ClassificationDataConfig",
    "Config",
    "DataConfig",
    "DetectionConfig",
    "DetectionDataConfig",
    "DetectorConfig",
    "LossConfig",
    "ModelConfig",
    "OptimConfig",
    "RuntimeConfig",
    "ScheduleConfig",
    "SegmentationConfig",
    "SegmentationDataConfig",
    "SegmenterConfig",
    "TrainConfig",
    "load_config",
]

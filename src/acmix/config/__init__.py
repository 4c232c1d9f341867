"""Configuration: frozen, typed, range-checked dataclasses read from small YAML files."""

from acmix.config.data import DataConfig
from acmix.config.loader import load_config
from acmix.config.sections import (
    Config,
    DetectorConfig,
    LossConfig,
    ModelConfig,
    OptimConfig,
    RuntimeConfig,
    ScheduleConfig,
    TrainConfig,
)

__all__ = [
    "Config",
    "DataConfig",
    "DetectorConfig",
    "LossConfig",
    "ModelConfig",
    "OptimConfig",
    "RuntimeConfig",
    "ScheduleConfig",
    "TrainConfig",
    "load_config",
]

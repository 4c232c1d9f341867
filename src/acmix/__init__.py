"""ACmix on MindSpore: self-attention and convolution on one projection (CVPR 2022)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from acmix.version import __version__

if TYPE_CHECKING:
    from acmix.data import Preprocess
    from acmix.errors import UserError
    from acmix.layers.acmix import ACmix
    from acmix.layers.replace import replace_conv
    from acmix.models import list_models
    from acmix.models.detection import list_detectors
    from acmix.models.segmentation import list_segmenters
    from acmix.workflows.loaded import load
    from acmix.workflows.networks import create_detector, create_model, create_segmenter

__all__ = [
    "ACmix",
    "Preprocess",
    "UserError",
    "__version__",
    "create_detector",
    "create_model",
    "create_segmenter",
    "list_detectors",
    "list_models",
    "list_segmenters",
    "load",
    "replace_conv",
]

# Loaded on first use, so that `acmix env` can say what is wrong where MindSpore does not import.
_HOMES = {
    "ACmix": "acmix.layers.acmix",
    "Preprocess": "acmix.data",
    "UserError": "acmix.errors",
    "create_detector": "acmix.workflows.networks",
    "create_model": "acmix.workflows.networks",
    "create_segmenter": "acmix.workflows.networks",
    "list_detectors": "acmix.models.detection",
    "list_models": "acmix.models",
    "list_segmenters": "acmix.models.segmentation",
    "load": "acmix.workflows.loaded",
    "replace_conv": "acmix.layers.replace",
}
_PACKAGES = (
    "config",
    "convert",
    "data",
    "engine",
    "errors",
    "export",
    "layers",
    "models",
    "ops",
    "tasks",
    "workflows",
)


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return importlib.import_module(f"acmix.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'acmix' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, *_PACKAGES])

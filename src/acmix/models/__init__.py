"""Backbones by name. Importing this package imports no MindSpore; making a model does."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

from acmix.models import catalogue  # noqa: F401  # registers all models and heads
from acmix.models.registry import create_model, list_models, list_networks, register_models

if TYPE_CHECKING:
    from acmix.models.backbone import Backbone, FeatureInfo

__all__ = [
    "Backbone",
    "FeatureInfo",
    "create_model",
    "list_models",
    "list_networks",
    "register_models",
]


_PACKAGES = [module.name for module in pkgutil.iter_modules(__path__) if module.ispkg]


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return importlib.import_module(f"acmix.models.{name}")
    if name not in ("Backbone", "FeatureInfo"):
        raise AttributeError(f"module 'acmix.models' has no attribute '{name}'")
    return getattr(importlib.import_module("acmix.models.backbone"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, *_PACKAGES])

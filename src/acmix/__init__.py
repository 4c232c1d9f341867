"""ACmix on MindSpore: self-attention and convolution on one projection (CVPR 2022)."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from acmix.version import __version__

if TYPE_CHECKING:
    from acmix.layers.acmix import ACmix
    from acmix.layers.replace import replace_conv
    from acmix.models import create_model, list_models

__all__ = ["ACmix", "__version__", "create_model", "list_models", "replace_conv"]

# Loaded on first use, so that `acmix env` can say what is wrong where MindSpore does not import.
_HOMES = {
    "ACmix": "acmix.layers.acmix",
    "create_model": "acmix.models",
    "list_models": "acmix.models",
    "replace_conv": "acmix.layers.replace",
}
_PACKAGES = ("config", "convert", "data", "export", "layers", "models", "tasks", "workflows")


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return importlib.import_module(f"acmix.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'acmix' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, *_PACKAGES])

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


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'acmix' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)

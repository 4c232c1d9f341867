"""Cells: the ACmix operator, its attention modes, its convolution path, and building blocks."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from acmix.layers.acmix import ACmix
    from acmix.layers.acmix_options import ACmixOptions
    from acmix.layers.attention import AttentionMode, register_attention
    from acmix.layers.blocks import Mlp, PatchEmbed
    from acmix.layers.conv_path import ConvPath
    from acmix.layers.drop_path import DropPath
    from acmix.layers.norm import LayerNorm
    from acmix.layers.qkv import QKVProjection
    from acmix.layers.replace import replace_conv

__all__ = [
    "ACmix",
    "ACmixOptions",
    "AttentionMode",
    "ConvPath",
    "DropPath",
    "LayerNorm",
    "Mlp",
    "PatchEmbed",
    "QKVProjection",
    "register_attention",
    "replace_conv",
]

# Loaded on first use: these modules import each other, and each other's packages.
_HOMES = {
    "ACmix": "acmix",
    "ACmixOptions": "acmix_options",
    "AttentionMode": "attention",
    "ConvPath": "conv_path",
    "DropPath": "drop_path",
    "LayerNorm": "norm",
    "Mlp": "blocks",
    "PatchEmbed": "blocks",
    "QKVProjection": "qkv",
    "register_attention": "attention",
    "replace_conv": "replace",
}


def __getattr__(name: str) -> Any:
    if name == "attention":
        return importlib.import_module("acmix.layers.attention")
    if name not in _HOMES:
        raise AttributeError(f"module 'acmix.layers' has no attribute '{name}'")
    return getattr(importlib.import_module(f"acmix.layers.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "attention"])

"""Swin with the names of microsoft/Swin-Transformer; Swin-ACmix with those of LeapLabTHU/ACmix."""

from __future__ import annotations

import numpy as np

from acmix.convert.layers import ACMIX_PATHS, COMMON
from acmix.convert.rules import Family, Rule, Transform
from acmix.layers.acmix import ACmix
from acmix.models.swin import PatchMerging


def _swap_pixels(array: np.ndarray) -> np.ndarray:
    """Swap column-major and row-major order of the 2x2 pixels on the last axis (length 4C)."""
    pixels = array.reshape((*array.shape[:-1], 4, -1))
    return pixels[..., [0, 2, 1, 3], :].reshape(array.shape)


_PIXEL_ORDER = Transform(_swap_pixels, _swap_pixels)

SWIN = Family(
    rules={
        **COMMON,
        PatchMerging: (
            Rule("norm.gamma", ("norm.weight",), _PIXEL_ORDER),
            Rule("norm.beta", ("norm.bias",), _PIXEL_ORDER),
            Rule("reduction.weight", ("reduction.weight",), _PIXEL_ORDER),
        ),
        ACmix: (
            Rule("qkv.weight", ("qkv.weight",)),
            Rule("qkv.bias", ("qkv.bias",)),
            Rule(
                "attention.relative_position_bias_table",
                ("relative_position_bias_table",),
            ),
            Rule("attention.proj.weight", ("proj.weight",)),
            Rule("attention.proj.bias", ("proj.bias",)),
            *ACMIX_PATHS,
        ),
    },
    renames=(
        # Official Swin merges patches at the end of a stage, this one at the start of the next.
        (
            r"^stages\.(\d+)\.downsample(?=\.|$)",
            lambda match: f"layers.{int(match[1]) - 1}.downsample",
        ),
        (r"^stages\.", "layers."),
        (r"^feature_norms\.(\d+)", r"norm\1"),
    ),
    ignored={
        r"(^|\.)relative_position_index$": "a constant, computed from the window size",
        r"(^|\.)attn_mask$": "a constant, computed from the size of the map",
    },
)

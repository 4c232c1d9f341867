"""Swin with the names of microsoft/Swin-Transformer; Swin-ACmix with those of LeapLabTHU/ACmix."""

from __future__ import annotations

import re

import numpy as np

from acmix.convert.dialects import Dialect
from acmix.convert.layers import ACMIX_PATHS, COMMON
from acmix.convert.rules import Family, Rule, Transform
from acmix.layers.acmix import ACmix
from acmix.models.swin import PatchMerging


def _swap_pixels(array: np.ndarray) -> np.ndarray:
    """Swap column-major and row-major order of the 2x2 pixels on the last axis (length 4C)."""
    pixels = array.reshape((*array.shape[:-1], 4, -1))
    return pixels[..., [0, 2, 1, 3], :].reshape(array.shape)


def _from_unfolded(array: np.ndarray) -> np.ndarray:
    """Bring the last axis from (C, 2x2 pixels row by row) to (2x2 column by column, C).

    An array that has no such axis, whose shape is wrong anyway, stays.
    """
    if array.shape[-1] % 4:
        return array
    pixels = array.reshape((*array.shape[:-1], -1, 4))[..., [0, 2, 1, 3]]
    return np.ascontiguousarray(pixels.swapaxes(-1, -2)).reshape(array.shape)


_ROOTS = r"((patch_embed|layers\.\d+|norm\d?|head)\.|absolute_pos_embed$)"
_HEAD = (r"^head\.fc\.", "head.")
_PIXEL_ORDER = Transform(_swap_pixels, _swap_pixels)


def _torchvision_stage(match: re.Match[str]) -> str:
    """Stages and mergings alternate: features 1, 3, 5, 7 and 2, 4, 6."""
    index = int(match[1])
    return f"layers.{index // 2}.blocks." if index % 2 else f"layers.{index // 2 - 1}.downsample."


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
        r"^(mask_token|decoder\..*)$": "of the pretraining, not of the classifier",
    },
    dialects=(
        Dialect(
            "Swin Transformer V2",
            roots=r"",
            signature=r"(^|\.)(cpb_mlp|continuous_position_bias_mlp|logit_scale)(\.|$)",
            refusal="It is another architecture than Swin: weights of Swin (V1) are read.",
        ),
        Dialect(
            "Hugging Face Transformers",
            roots=r"(embeddings|encoder\.layers\.\d+|layernorm|classifier)\.",
            signature=r"^embeddings\.patch_embeddings\.",
            renames=(
                (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
                (r"^embeddings\.norm\.", "patch_embed.norm."),
                (r"^embeddings\.position_embeddings$", "absolute_pos_embed"),
                (r"^embeddings\.mask_token$", "mask_token"),
                (r"^encoder\.layers\.", "layers."),
                (r"\.attention\.(self|relative_position_bias)\.", ".attn."),
                (r"\.attention\.(output\.dense|o_proj)\.", ".attn.proj."),
                # Version 5 renames the projections.
                (r"\.attention\.q_proj\.", ".attn.query."),
                (r"\.attention\.k_proj\.", ".attn.key."),
                (r"\.attention\.v_proj\.", ".attn.value."),
                (r"\.layernorm_before\.", ".norm1."),
                (r"\.layernorm_after\.", ".norm2."),
                (r"\.intermediate\.dense\.", ".mlp.fc1."),
                (r"\.output\.dense\.", ".mlp.fc2."),
                (r"^layernorm\.", "norm."),
                (r"^classifier\.", "head."),
            ),
            joins=((("query", "key", "value"), "qkv"),),
        ),
        Dialect(
            "torchvision",
            roots=r"(features\.\d+|norm|head)\.",
            signature=r"^features\.1\.\d+\.attn\.",
            renames=(
                (r"^features\.0\.0\.", "patch_embed.proj."),
                (r"^features\.0\.2\.", "patch_embed.norm."),
                (r"^features\.(\d+)\.(?=\d|reduction|norm)", _torchvision_stage),
                (r"\.mlp\.0\.", ".mlp.fc1."),
                (r"\.mlp\.3\.", ".mlp.fc2."),
            ),
        ),
        Dialect(
            "mmpretrain and mmdetection",
            roots=r"(patch_embed|stages\.\d+|norm\d|head)\.",
            signature=r"^patch_embed\.projection\.",
            renames=(
                (r"^patch_embed\.projection\.", "patch_embed.proj."),
                (r"^stages\.", "layers."),
                (r"\.attn\.w_msa\.", ".attn."),
                (r"\.ffn\.layers\.0\.0\.", ".mlp.fc1."),
                (r"\.ffn\.layers\.1\.", ".mlp.fc2."),
                (r"^norm3\.", "norm."),
                _HEAD,
            ),
            transforms=((r"\.downsample\.(norm|reduction)\.", _from_unfolded),),
        ),
        Dialect(
            "timm since 0.9",
            roots=_ROOTS,
            signature=r"^layers\.1\.downsample\.",
            absent=r"^layers\.0\.downsample\.",
            renames=(
                (
                    r"^layers\.(\d+)\.downsample\.",
                    lambda match: f"layers.{int(match[1]) - 1}.downsample.",
                ),
                _HEAD,
            ),
        ),
        Dialect("", _ROOTS, renames=(_HEAD,)),
    ),
)

"""PVT with the names of whai362/PVT; PVT-ACmix (unreleased) with the official ACmix names."""

from __future__ import annotations

from acmix.convert.dialects import Dialect
from acmix.convert.layers import ACMIX_PATHS, COMMON
from acmix.convert.rules import Family, Rule
from acmix.layers.acmix import ACmix

_SHARES = (1, 2)  # q; k and v together

_ROOTS = r"((patch_embed\d|block\d|norm|head)\.|pos_embed\d|cls_token$)"

PVT = Family(
    rules={
        **COMMON,
        ACmix: (
            Rule("qkv.weight", ("q.weight", "kv.weight"), shares=_SHARES),
            Rule("qkv.bias", ("q.bias", "kv.bias"), shares=_SHARES),
            *ACMIX_PATHS,
        ),
    },
    renames=(
        (r"^stages\.\d+\.position\.cls_token$", "cls_token"),
        (
            r"^stages\.(\d+)\.(?:position\.)?(patch_embed|pos_embed|block)s?(?=\.|$)",
            lambda match: f"{match[2]}{int(match[1]) + 1}",
        ),
        # PVT has no separate attention module: its layers are siblings of q and kv.
        (r"(^|\.)attention\.", r"\1"),
    ),
    dialects=(
        Dialect(
            "Hugging Face Transformers",
            roots=r"(encoder\.(patch_embeddings|block|layer_norm)|classifier)\.",
            signature=r"^encoder\.patch_embeddings\.0\.projection\.",
            renames=(
                (r"^encoder\.patch_embeddings\.\d+\.cls_token$", "cls_token"),
                (
                    r"^encoder\.patch_embeddings\.(\d+)\.position_embeddings$",
                    lambda match: f"pos_embed{int(match[1]) + 1}",
                ),
                (
                    r"^encoder\.patch_embeddings\.(\d+)\.",
                    lambda match: f"patch_embed{int(match[1]) + 1}.",
                ),
                (r"^(patch_embed\d+)\.projection\.", r"\1.proj."),
                (r"^(patch_embed\d+)\.layer_norm\.", r"\1.norm."),
                (r"^encoder\.block\.(\d+)\.", lambda match: f"block{int(match[1]) + 1}."),
                (r"\.layer_norm_(\d)\.", r".norm\1."),
                (r"\.attention\.self\.query\.", ".attn.q."),
                (r"\.attention\.self\.sequence_reduction\.", ".attn.sr."),
                (r"\.attention\.self\.layer_norm\.", ".attn.norm."),
                (r"\.attention\.self\.", ".attn."),
                (r"\.attention\.output\.dense\.", ".attn.proj."),
                (r"\.mlp\.dense(\d)\.", r".mlp.fc\1."),
                (r"^encoder\.layer_norm\.", "norm."),
                (r"^classifier\.", "head."),
            ),
            joins=((("key", "value"), "kv"),),
        ),
        Dialect(
            "PVT v2",
            roots=_ROOTS,
            signature=r"^block\d\.\d+\.mlp\.dwconv\.",
            refusal="It is another architecture than PVT: weights of PVT (v1) are read.",
        ),
        Dialect(
            "PVT v2 of timm",
            roots=r"(patch_embed|stages\.\d|head)\.",
            signature=r"^stages\.\d\.blocks\.\d+\.mlp\.dwconv\.",
            refusal="It is another architecture than PVT: weights of PVT (v1) are read.",
        ),
        Dialect(
            "mmdetection's PVT",
            roots=r"layers\.\d\.\d\.",
            signature=r"^layers\.0\.0\.projection\.",
            refusal="They are not converted; take the file of whai362/PVT that it was made from.",
        ),
        Dialect("", _ROOTS),
    ),
)

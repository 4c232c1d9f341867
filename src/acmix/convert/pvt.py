"""PVT with the names of whai362/PVT; PVT-ACmix (unreleased) with the official ACmix names."""

from __future__ import annotations

from acmix.convert.layers import ACMIX_PATHS, COMMON
from acmix.convert.rules import Family, Rule
from acmix.layers.acmix import ACmix

_SHARES = (1, 2)  # q; k and v together

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
)

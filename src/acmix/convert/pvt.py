"""PVT as whai362/PVT names it; PVT-ACmix, never released, with the official names of ACmix."""

from __future__ import annotations

from acmix.convert.layers import ACMIX_PATHS, COMMON
from acmix.convert.rules import Family, Rule
from acmix.layers.acmix import ACmix

_SHARES = (1, 2)  # of q, and of k and v together

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
        # PVT has no module for the attention: its layers are on the level of q and kv.
        (r"(^|\.)attention\.", r"\1"),
    ),
)

"""LR-Net, of which no network was released: the names of its layers, else torchvision's."""

from __future__ import annotations

from acmix.convert.dialects import Dialect
from acmix.convert.layers import BATCH_COUNTER, COMMON
from acmix.convert.rules import Family

LRNET = Family(
    rules=COMMON,
    renames=(
        (r"^stages\.(\d+)", lambda match: f"layer{int(match[1]) + 1}"),
        (r"(^|\.)attention\.geometry", r"\1geometry"),
    ),
    ignored=BATCH_COUNTER,
    dialects=(Dialect("", r"(conv\d|bn\d|layer\d|fc)\."),),
)

"""SAN with the names of hszhao/SAN; SAN-ACmix (unreleased) with the official ACmix names."""

from __future__ import annotations

from acmix.convert.dialects import Dialect
from acmix.convert.layers import ACMIX_PATHS, BATCH_COUNTER, COMMON
from acmix.convert.rules import POINTWISE, Family, Rule
from acmix.layers.acmix import ACmix
from acmix.models.san import VALUE_GROUPS

_SHARES = (1, 1, VALUE_GROUPS)

SAN = Family(
    rules={
        **COMMON,
        ACmix: (
            Rule(
                "qkv.weight",
                ("conv1.weight", "conv2.weight", "conv3.weight"),
                POINTWISE,
                shares=_SHARES,
            ),
            Rule("qkv.bias", ("conv1.bias", "conv2.bias", "conv3.bias"), shares=_SHARES),
            *ACMIX_PATHS,
        ),
    },
    renames=(
        (r"^stages\.(\d+)\.blocks", r"layer\1"),
        (r"^stages\.(\d+)\.(conv|bn)(?=\.|$)", r"\2\1"),
        # Indices of the layers in torch's Sequential.
        (r"(^|\.)attention\.bn1(?=\.|$)", r"\1conv_w.0"),
        (r"(^|\.)attention\.fc1(?=\.|$)", r"\1conv_w.2"),
        (r"(^|\.)attention\.bn2(?=\.|$)", r"\1conv_w.3"),
        (r"(^|\.)attention\.fc2(?=\.|$)", r"\1conv_w.5"),
    ),
    ignored=BATCH_COUNTER,
    dialects=(Dialect("", r"(conv_in|bn_in|conv\d|bn\d|layer\d|fc)\."),),
)

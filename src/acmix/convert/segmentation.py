"""Segmenters with the names of mmsegmentation, which Swin's and PVT's code for ADE20K share."""

from __future__ import annotations

from acmix.convert.dialects import Dialect
from acmix.convert.layers import BATCH_COUNTER, COMMON, PYRAMID
from acmix.convert.rules import Family

SEGMENTATION = Family(
    rules=COMMON,
    renames=(
        PYRAMID,
        # Behind each convolution stands the resizing, a module without weights.
        (
            r"^(decode_head\.scale_heads\.\d+)\.(\d+)(?=\.|$)",
            lambda match: f"{match[1]}.{2 * int(match[2])}",
        ),
        # In front of each convolution stands the pooling.
        (r"^decode_head\.pooling\.convs\.(\d+)(?=\.|$)", r"decode_head.psp_modules.\1.1"),
        (r"^decode_head\.pooling\.", "decode_head."),
        (r"^auxiliary_head\.conv(?=\.|$)", "auxiliary_head.convs.0"),
        (r"^(decode|auxiliary)_head\.classifier\.", r"\1_head."),
    ),
    ignored=BATCH_COUNTER,
    optional={r"^auxiliary_head\.": "the auxiliary head, which only training uses"},
    dialects=(
        Dialect(
            "",
            roots=r"(backbone|neck|decode_head|auxiliary_head)\.",
            signature=r"^decode_head\.conv_seg\.",
        ),
    ),
)

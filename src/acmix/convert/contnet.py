"""ConTNet with the names of yan-hao-tian/ConTNet."""

from __future__ import annotations

from acmix.convert.dialects import Dialect
from acmix.convert.layers import BATCH_COUNTER, COMMON
from acmix.convert.rules import Family, Rule, Transform
from acmix.layers.acmix import ACmix
from acmix.layers.window_positions import WindowPositions

_ROWS = Transform(
    lambda array: array.reshape((-1, array.shape[-1])), lambda array: array[None, :, None]
)
_COLUMNS = Transform(
    lambda array: array.reshape((-1, array.shape[-1])), lambda array: array[None, None]
)

CONTNET = Family(
    rules={
        **COMMON,
        ACmix: (
            Rule("qkv.weight", ("qkv.weight",)),
            Rule("qkv.bias", ("qkv.bias",)),
            Rule("attention.proj.weight", ("proj.weight",)),
            Rule("attention.proj.bias", ("proj.bias",)),
        ),
        WindowPositions: (Rule("rows", ("0",), _ROWS), Rule("columns", ("1",), _COLUMNS)),
    },
    renames=(
        (r"^stages\.\d+\.layer(\d+)_(\d+)", r"layer\1.ConTBlock\2"),
        (r"(^|\.)(out_conv|downsample)(?=\.|$)", r"\1\2.conv"),
        (r"^conv1(?=\.|$)", "layer0.conv.conv"),
    ),
    ignored=BATCH_COUNTER,
    dialects=(Dialect("", r"(layer\d|fc)\."),),
)

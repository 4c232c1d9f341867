"""ResNet with the names of torchvision; ResNet-ACmix with those of LeapLabTHU/ACmix."""

from __future__ import annotations

from acmix.convert.layers import ACMIX_PATHS, BATCH_COUNTER, COMMON
from acmix.convert.rules import POINTWISE, Family, Rule
from acmix.layers.acmix import ACmix

RESNET = Family(
    rules={
        **COMMON,
        ACmix: (
            Rule("qkv.weight", ("conv1.weight", "conv2.weight", "conv3.weight"), POINTWISE),
            Rule("qkv.bias", ("conv1.bias", "conv2.bias", "conv3.bias")),
            Rule("attention.position_weight", ("conv_p.weight",), POINTWISE),
            Rule("attention.position_bias", ("conv_p.bias",)),
            *ACMIX_PATHS,
        ),
    },
    renames=((r"^stages\.(\d+)", lambda match: f"layer{int(match[1]) + 1}"),),
    ignored=BATCH_COUNTER,
)

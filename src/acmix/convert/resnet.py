"""ResNet with the names of torchvision; ResNet-ACmix with those of LeapLabTHU/ACmix.

Inside of BoTNet's attention the names are timm's, of augmented convolutions those of
kamenbliznashki/chexpert.
"""

from __future__ import annotations

from acmix.convert.dialects import Dialect
from acmix.convert.layers import ACMIX_PATHS, BATCH_COUNTER, COMMON
from acmix.convert.rules import POINTWISE, TRANSPOSED, Family, Rule
from acmix.layers.acmix import ACmix
from acmix.layers.attention.relative import RelativeAttention
from acmix.layers.augmented_conv import AugmentedConv

_LOCAL = (
    Rule("qkv.weight", ("conv1.weight", "conv2.weight", "conv3.weight"), POINTWISE),
    Rule("qkv.bias", ("conv1.bias", "conv2.bias", "conv3.bias")),
    Rule("attention.position_weight", ("conv_p.weight",), POINTWISE),
    Rule("attention.position_bias", ("conv_p.bias",)),
    *ACMIX_PATHS,
)
_RELATIVE = (
    Rule("qkv.weight", ("qkv.weight",), POINTWISE),
    Rule("attention.relative_height", ("pos_embed.height_rel",)),
    Rule("attention.relative_width", ("pos_embed.width_rel",)),
)
_AUGMENTED = (
    Rule("qkv.weight", ("in_proj_qkv.weight",), POINTWISE),
    Rule("attention.relative_height", ("key_rel_h",), TRANSPOSED),
    Rule("attention.relative_width", ("key_rel_w",), TRANSPOSED),
    Rule("proj.weight", ("out_proj.weight",)),
)


def _operator(cell: ACmix) -> tuple[Rule, ...]:
    return _RELATIVE if isinstance(cell.attention, RelativeAttention) else _LOCAL


RESNET = Family(
    rules={
        **COMMON,
        ACmix: _operator,
        AugmentedConv: _AUGMENTED,
    },
    renames=((r"^stages\.(\d+)", lambda match: f"layer{int(match[1]) + 1}"),),
    ignored=BATCH_COUNTER,
    dialects=(
        Dialect(
            "Hugging Face Transformers",
            roots=r"(embedder\.embedder|encoder\.stages|classifier)\.",
            signature=r"^embedder\.embedder\.convolution\.",
            renames=(
                (r"^embedder\.embedder\.convolution\.", "conv1."),
                (r"^embedder\.embedder\.normalization\.", "bn1."),
                (
                    r"^encoder\.stages\.(\d+)\.layers\.(\d+)\.",
                    lambda match: f"layer{int(match[1]) + 1}.{match[2]}.",
                ),
                (r"\.shortcut\.convolution\.", ".downsample.0."),
                (r"\.shortcut\.normalization\.", ".downsample.1."),
                (r"\.layer\.(\d+)\.convolution\.", lambda m: f".conv{int(m[1]) + 1}."),
                (r"\.layer\.(\d+)\.normalization\.", lambda m: f".bn{int(m[1]) + 1}."),
                (r"^classifier\.1\.", "fc."),
            ),
        ),
        Dialect(
            "detectron2's ResNet",
            roots=r"(stem|res\d)\.",
            signature=r"^res2\.0\.conv1\.",
            refusal="Its strides are in the 1x1 convolutions, here as in torchvision in the 3x3 "
            "ones: it is another network. Take torchvision's weights.",
        ),
        # mmpretrain calls the classifier head.fc.
        Dialect("", r"(conv1|bn1|layer\d|fc|head\.fc)\.", renames=((r"^head\.fc\.", "fc."),)),
    ),
)

"""Transformers with a class token, with the names of the authors' code.

These are facebookresearch/convit, yitu-opensource/T2T-ViT, microsoft/CvT, pengzhiliang/Conformer.
Where attention is ACmix, which none of these releases has, its names are LeapLabTHU/ACmix's.
"""

from __future__ import annotations

from acmix.convert.dialects import Dialect
from acmix.convert.layers import ACMIX_PATHS, BATCH_COUNTER, COMMON
from acmix.convert.rules import POINTWISE, Family, Rule, Transform
from acmix.layers.acmix import ACmix
from acmix.layers.attention.gated_positional import GatedPositionalAttention
from acmix.layers.patch_attention import PatchPerformer, PatchSoftmaxAttention
from acmix.models.conformer_blocks import Expand, Squeeze
from acmix.models.cvt import ConvolutionalAttention
from acmix.models.t2t import TokensToToken

_AS_MAP = Transform(POINTWISE.inverse, POINTWISE.forward)
"""A matrix in torch to a 1x1 convolution's weight."""

_PATCHES = Transform(
    lambda array: array.reshape((len(array), -1, 3, 3)),
    lambda array: array.reshape((len(array), -1)),
)
"""A linear layer over unfolded 3x3 patches to a convolution's weight."""

# Authors' attention modules own the projection behind the attention.
_ATTENTION = (r"(^|\.)attention\.", r"\1")


def _acmix(cell: ACmix) -> tuple[Rule, ...]:
    """Return the rules of an operator; a gated one has a projection for q and k, and one for v."""
    if not isinstance(cell.attention, GatedPositionalAttention):
        return ACMIX_PATHS
    return (
        Rule("qkv.weight", ("qk.weight", "v.weight"), shares=(2, 1)),
        Rule("qkv.bias", ("qk.bias", "v.bias"), shares=(2, 1)),
        Rule("attention.gating", ("gating_param",)),
        Rule("attention.position_weight", ("pos_proj.weight",)),
        Rule("attention.position_bias", ("pos_proj.bias",)),
        *ACMIX_PATHS,
    )


def _patch_attention(projection: str, proj: str, first: str, second: str) -> tuple[Rule, ...]:
    """Return the rules of a layer of tokens-to-token by the names of its linear layers."""
    return (
        Rule("embed.gamma", ("norm1.weight",)),
        Rule("embed.beta", ("norm1.bias",)),
        Rule("embed.weight", (f"{projection}.weight",)),
        Rule("embed.bias", (f"{projection}.bias",)),
        Rule("proj.weight", (f"{proj}.weight",), _AS_MAP),
        Rule("proj.bias", (f"{proj}.bias",)),
        Rule("mlp_in.gamma", ("norm2.weight",)),
        Rule("mlp_in.beta", ("norm2.bias",)),
        Rule("mlp_in.weight", (f"{first}.weight",)),
        Rule("mlp_in.bias", (f"{first}.bias",)),
        Rule("mlp_out.weight", (f"{second}.weight",), _AS_MAP),
        Rule("mlp_out.bias", (f"{second}.bias",)),
    )


_VIT_ROOTS = r"(pos_embed$|cls_token$|(blocks\.\d+|norm|head)\.|"

CONVIT = Family(
    rules={**COMMON, ACmix: _acmix},
    renames=(
        (r"^stages\.0\.((position|token)\.)?", ""),
        _ATTENTION,
    ),
    ignored={r"(^|\.)rel_indices$": "a constant, computed from the size of the map"},
    dialects=(Dialect("", _VIT_ROOTS + r"patch_embed\.)"),),
)

T2T_VIT = Family(
    rules={
        **COMMON,
        ACmix: ACMIX_PATHS,
        TokensToToken: (Rule("project.weight", ("project.weight",), _PATCHES),),
        PatchPerformer: _patch_attention("kqv", "proj", "mlp.0", "mlp.2"),
        PatchSoftmaxAttention: _patch_attention("attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2"),
    },
    renames=(
        (r"^stages\.0\.patch_embed(?=\.|$)", "tokens_to_token"),
        (r"^stages\.0\.(position\.)?", ""),
        _ATTENTION,
    ),
    dialects=(Dialect("", _VIT_ROOTS + r"tokens_to_token\.)"),),
)

CVT = Family(
    rules={
        **COMMON,
        ConvolutionalAttention: tuple(
            Rule(f"proj_{name}.weight", (f"proj_{name}.weight",), _AS_MAP) for name in "qkv"
        ),
    },
    renames=((r"^stages\.(\d+)\.(token\.)?", r"stage\1."),),
    ignored=BATCH_COUNTER,
    dialects=(
        Dialect(
            "Hugging Face Transformers",
            roots=r"(encoder\.stages\.\d+|layernorm|classifier)\.",
            signature=r"^encoder\.stages\.0\.embedding\.convolution_embeddings\.",
            renames=(
                (r"^encoder\.stages\.(\d+)\.", r"stage\1."),
                (r"\.embedding\.convolution_embeddings\.projection\.", ".patch_embed.proj."),
                (r"\.embedding\.convolution_embeddings\.normalization\.", ".patch_embed.norm."),
                (r"\.layers\.(\d+)\.", r".blocks.\1."),
                (
                    r"\.attention\.attention\.convolution_projection_(\w)\w+"
                    r"\.convolution_projection\.",
                    r".attn.conv_proj_\1.",
                ),
                (r"\.attention\.attention\.projection_(\w)\w+\.", r".attn.proj_\1."),
                (r"(conv_proj_\w)\.convolution\.", r"\1.conv."),
                (r"(conv_proj_\w)\.normalization\.", r"\1.bn."),
                (r"\.attention\.output\.dense\.", ".attn.proj."),
                (r"\.intermediate\.dense\.", ".mlp.fc1."),
                (r"\.output\.dense\.", ".mlp.fc2."),
                (r"\.layernorm_before\.", ".norm1."),
                (r"\.layernorm_after\.", ".norm2."),
                (r"^layernorm\.", "norm."),
                (r"^classifier\.", "head."),
            ),
        ),
        Dialect("", r"(stage\d+|norm|head)\."),
    ),
)

CONFORMER = Family(
    rules={
        **COMMON,
        ACmix: ACMIX_PATHS,
        Squeeze: (Rule("conv_project.weight", ("conv_project.weight",), POINTWISE),),
        Expand: (Rule("conv_project.weight", ("conv_project.weight",), POINTWISE),),
    },
    renames=(
        (r"^stages\.\d+\.(first\.(token\.)?)?", ""),
        (r"^head$", "conv_cls_head"),
        (r"^head\.", ""),
        _ATTENTION,
    ),
    ignored=BATCH_COUNTER,
    # mmpretrain keeps the classifiers below head.
    dialects=(
        Dialect(
            "",
            r"(cls_token$|(head\.)?(conv|trans)_cls_head\.|(conv1|bn1|conv_1|trans_patch_conv|"
            r"trans_1|conv_trans_\d+|trans_norm)\.)",
            renames=((r"^head\.", ""),),
        ),
    ),
)

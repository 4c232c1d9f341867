"""Rules for Cells that several families share."""

from __future__ import annotations

from mindspore import nn

from acmix.convert.rules import POINTWISE, Rule
from acmix.layers.drop_path import Drop

_SCALE_AND_SHIFT = (Rule("gamma", ("weight",)), Rule("beta", ("bias",)))

COMMON = {
    nn.LayerNorm: _SCALE_AND_SHIFT,
    nn.BatchNorm2d: (
        *_SCALE_AND_SHIFT,
        Rule("moving_mean", ("running_mean",)),
        Rule("moving_variance", ("running_var",)),
    ),
    Drop: (Rule("random_state", ()),),
}
"""Rules for layers other than ACmix whose parameter names differ from torch."""

BATCH_COUNTER = {
    r"(^|\.)num_batches_tracked$": "a counter for averages that MindSpore takes otherwise",
}
"""Tensors of torch's BatchNorm without a counterpart in MindSpore."""

ACMIX_PATHS = (
    Rule("alpha", ("rate1",)),
    Rule("beta", ("rate2",)),
    Rule("conv_path.fc_weight", ("fc.weight",), POINTWISE),
    Rule("conv_path.fc_bias", ("fc.bias",)),
    # No bias: the official dep_conv creates one and then removes it, so no checkpoint has it.
    Rule("conv_path.kernel", ("dep_conv.weight",)),
)
"""Rules for the parameters of ACmix with the same name in all official implementations."""

PYRAMID = (r"^(neck\.(?:lateral|fpn)_convs\.\d+)(?=\.|$)", r"\1.conv")
"""Rename of the convolutions of a feature pyramid, in OpenMMLab's modules of several layers."""

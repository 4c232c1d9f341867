"""The inference form of ACmix: the same Cell with frozen parts and folded weights.

* The frozen convolution path holds the projection to its maps, or is one convolution; beta is in
  its weights.
* The scale of the queries goes into their projection. Alpha goes into the output projection of the
  attention, or else into the projection of the values.
* A softmax does not change if a constant is added to all keys, and a constant added to all values
  is added to its output: the bias of k is dropped, that of v goes into the output projection.
"""

from __future__ import annotations

import numpy as np
from mindspore import nn

from acmix.layers.acmix_options import Combination
from acmix.layers.inference import absorb_output, drop_bias, rescale_output
from acmix.layers.qkv import FrozenQKV
from acmix.utils.parameters import forget


def freeze(operator: nn.Cell) -> None:
    """Replace the parts of an ACmix that hold weights by frozen ones, and fold; once."""
    if isinstance(operator.qkv, FrozenQKV):
        return
    weights, attention = operator.path_weights(), operator.attention
    if operator.conv_path is not None:
        operator.conv_path = operator.conv_path.freeze(
            operator.qkv.weight, operator.qkv.bias, weights["beta"]
        )
    operator.qkv = operator.qkv.freeze(used=attention is not None)
    if attention is not None:
        rescale_output(operator.qkv.q, attention.scale)
        attention.scale = 1.0
        rescale_output(_last_layer(operator), weights["alpha"])
        _move_biases(operator)
    for name in ("alpha", "beta"):
        if getattr(operator, name) is not None:
            forget(operator, name)
    paths = operator.combination  # their weights are in the layers now
    operator.combination = Combination(paths.attention and "one", paths.conv and "one")


def fold_output(operator: nn.Cell, scale: np.ndarray, shift: np.ndarray) -> bool:
    """Make a frozen ACmix compute ``scale * output + shift``.

    Returns:
        False where tensors are shifted, or where neither a softmax nor a convolution can add the
        shift.
    """
    attention, conv_path = operator.attention, operator.conv_path
    attention_adds = attention is not None and attention.softmax_over_keys
    if conv_path is None and not attention_adds:
        return False
    if conv_path is not None and not conv_path.can_absorb_output():
        return False
    nothing = np.zeros_like(shift)
    if attention is not None:
        absorb_output(_last_layer(operator), scale, shift if attention_adds else nothing)
    if conv_path is not None:
        conv_path.absorb_output(scale, nothing if attention_adds else shift)
    return True


def fold_input(operator: nn.Cell, scale: np.ndarray, shift: np.ndarray) -> bool:
    """Make a frozen ACmix compute its function of ``scale * x + shift``.

    Returns:
        False where the input is a map, or is reduced to one, as zeros may be put around it.
    """
    reduced = operator.attention is not None and operator.attention.reduction > 1
    if operator.data_format == "NCHW" or reduced:
        return False
    operator.qkv.absorb_input(scale, shift)
    if operator.conv_path is not None:
        operator.conv_path.absorb_input(scale, shift)
    if operator.attention is not None:
        _move_biases(operator)
    return True


def _last_layer(operator: nn.Cell) -> nn.Cell:
    """Return the linear layer whose outputs are the attention's, channel by channel."""
    proj = operator.attention.proj
    return operator.qkv.v if proj is None else proj


def _move_biases(operator: nn.Cell) -> None:
    if not operator.attention.softmax_over_keys:
        return
    drop_bias(operator.qkv.k)
    proj = operator.attention.proj
    if proj is not None:
        bias = drop_bias(operator.qkv.v)
        weight = proj.weight.asnumpy()
        absorb_output(proj, np.ones(len(weight)), weight @ bias)

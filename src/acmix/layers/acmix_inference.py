"""ACmix once its weights no longer change."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
from mindspore import Tensor, nn

from acmix.layers.acmix import ACmix, dense_input, side_by_side
from acmix.layers.aggregation import DenseConv, ShiftSum, aggregation
from acmix.layers.inference import absorb_input, absorb_output, drop_bias, fixed_conv, fixed_dense
from acmix.ops.linear import to_maps, to_tokens
from acmix.ops.padding import roll_tokens
from acmix.ops.resample import upsample


class InferenceACmix(nn.Cell):
    """The function of an :class:`ACmix`, whose attention mode it takes over, by composed weights.

    * The fully connected layer of the convolution path is composed with the projection, or all of
      the path to one convolution, which the trainable operator does in every call.
    * The scale of the queries goes into their projection; alpha into the attention's output
      projection, or else into that of the values; beta into the projection to the maps.
    * To a softmax what is added to all keys makes no difference, and what is added to all values
      comes out again: the bias of k is dropped, that of v goes into the output projection.

    Args:
        operator: not to be used any more.

    Shape:
        See :class:`ACmix`.
    """

    def __init__(self, operator: ACmix):
        super().__init__()
        self.layout, self.reduction = operator.layout, operator.reduction
        self.conv_rolled = operator.conv_rolled
        self.attention: Any = operator.attention
        self.conv: Any = None
        self.dense = False
        paths = operator.path_weights()
        if self.attention is not None:
            self._compose_attention(operator, paths["alpha"])
        if operator.conv_path is not None:
            self._compose_conv(operator, paths["beta"])

    def _compose_attention(self, operator: ACmix, alpha: float) -> None:
        cuts = np.cumsum(operator.qkv_channels)[:-1]
        weights = np.split(operator.qkv_weight.asnumpy(), cuts)
        biases: list = [None] * 3
        if operator.qkv_bias is not None:
            biases = np.split(operator.qkv_bias.asnumpy(), cuts)
        self.q, self.k, self.v = map(self._linear, weights, biases)
        self.softmax = getattr(self.attention, "softmax_over_keys", False)
        if hasattr(self.attention, "scale"):
            _rescale(self.q, self.attention.scale)
            self.attention.scale = 1.0
        _rescale(self._last(), alpha)
        self._move_biases()

    def _compose_conv(self, operator: ACmix, beta: float) -> None:
        path = operator.conv_path
        folded = operator.folded()
        self.dense = path.dense
        if path.dense:
            self.conv = DenseConv(path, *side_by_side(folded), beta)
            return
        maps = []
        for own, constant in folded:
            constant = None if constant is None else constant.asnumpy()
            maps.append(self._linear(own.asnumpy(), constant))
            _rescale(maps[-1], beta)
        self.maps = nn.CellList(maps)
        self.conv = aggregation(path)

    def _linear(self, weight: np.ndarray, bias: np.ndarray | None) -> nn.Cell:
        if self.layout == "NCHW":
            return fixed_conv(weight[:, :, None, None], bias)
        return fixed_dense(weight, bias)

    def _last(self) -> nn.Cell:
        """Return the linear layer whose outputs are the attention's, channel by channel."""
        return getattr(self.attention, "proj", self.v)

    def _move_biases(self) -> None:
        if not self.softmax:
            return
        drop_bias(self.k)
        if self._last() is not self.v:
            bias = drop_bias(self.v)
            weight = self._last().weight.asnumpy()
            absorb_output(self._last(), np.ones(len(weight)), weight @ bias)

    def construct(self, x: Tensor, extra: Tensor | None = None):
        """Apply both paths."""
        context = x if self.reduction == 1 else self.attention.context(x)
        out, extra_out = None, None
        if self.attention is not None:
            q, k, v = self.q(x), self.k(context), self.v(context)
            if extra is None:
                out = self.attention(q, k, v)
            else:
                tokens = (self.q(extra), self.k(extra), self.v(extra))
                out, extra_out = self.attention(q, k, v, tokens)
        if self.conv is not None:
            convolved = self._convolve(x, context)
            out = convolved if out is None else out + convolved
        return out if extra is None else (out, extra_out)

    def _convolve(self, x: Tensor, context: Tensor) -> Tensor:
        shift = 0
        if self.conv_rolled:
            shift = self.attention.active_shift(x.shape[1], x.shape[2])
            x = roll_tokens(x, -shift)
        if self.dense:
            out = self.conv(dense_input(x, context, self.layout, self.reduction))
        else:
            out = self.conv(self._maps(x, context))
        return out if self.layout == "NCHW" else roll_tokens(to_tokens(out), shift)

    def _maps(self, x: Tensor, context: Tensor) -> Tensor:
        maps = self._project(0, x)
        if self.reduction > 1:
            reduced = self._project(1, context)
            maps = maps + upsample(reduced, self.reduction, maps.shape[2], maps.shape[3])
        return maps

    def _project(self, index: int, x: Tensor) -> Tensor:
        maps = self.maps[index](x)
        return maps if self.layout == "NCHW" else to_maps(maps)

    def absorb_output(self, scale: np.ndarray, shift: np.ndarray) -> bool:
        """See :mod:`acmix.layers.inference`; not where tensors are shifted, nor without a softmax
        or a convolution, which could add the shift."""
        if isinstance(self.conv, ShiftSum):
            return False
        in_attention = self.attention is not None and self.softmax
        if not in_attention and self.conv is None:
            return False
        nothing = np.zeros_like(shift)
        if self.attention is not None:
            absorb_output(self._last(), scale, shift if in_attention else nothing)
        if self.conv is not None:
            absorb_output(self.conv, scale, nothing if in_attention else shift)
        return True

    def absorb_input(self, scale: np.ndarray, shift: np.ndarray) -> bool:
        """See :mod:`acmix.layers.inference`; not where the input is a map, or reduced to one, as
        zeros may be put around it."""
        if self.layout == "NCHW" or self.reduction > 1:
            return False
        attending = () if self.attention is None else (self.q, self.k, self.v)
        convolving = () if self.conv is None else (self.conv,) if self.dense else self.maps
        for cell in chain(attending, convolving):
            absorb_input(cell, scale, shift)
        if self.attention is not None:
            self._move_biases()
        return True


def _rescale(cell: nn.Cell, factor: float) -> None:
    channels = len(cell.weight)
    absorb_output(cell, np.full(channels, factor), np.zeros(channels))

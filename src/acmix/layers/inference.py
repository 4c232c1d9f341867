"""Inference forms: composing what is linear in a network whose weights no longer change.

A Cell describes itself by the following names. A Cell without them stays as it is.

* ``fold_norm_into_previous``, pairs of attribute names: ``("conv1", "bn1")`` if the BatchNorm
  ``bn1`` is the only reader of ``conv1``. It goes into the weights of ``conv1``. In a
  SequentialCell neighbours need no such pair.
* ``fold_norm_into_next``: ``("norm1", "attn")`` if ``attn`` is the only reader of the LayerNorm
  ``norm1``. Its affine part goes into the weights of ``attn``.
* ``absorb_output(scale, shift) -> bool`` makes the Cell compute ``scale * output + shift``, by
  channel. It returns False if it cannot. Convolutions and linear layers need no such method.
* ``absorb_input(scale, shift) -> bool`` makes the Cell compute its function of
  ``scale * x + shift``.
* ``for_inference() -> Cell`` returns the Cell that takes its place, or itself after changing its
  own weights. It is called on a private copy, when the children have their forms.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from mindspore import Parameter, nn, ops

from acmix.layers.norm import LayerNorm
from acmix.utils.cells import replace_child
from acmix.utils.parameters import forget, make_parameter


def inference_form(network: nn.Cell) -> nn.Cell:
    """Rewrite a Cell and all below it, in place unless they are replaced; see the module.

    A Cell in several places is rewritten once and stays one. What depends on its neighbours is
    left out, as they differ from place to place.
    """
    return _Rewriter(network).form_of(network)


class _Rewriter:
    def __init__(self, network: nn.Cell):
        parents = [cell for _, cell in network.cells_and_names()]
        self.uses = Counter(id(child) for parent in parents for child in parent._cells.values())
        # The originals are kept, as the id of a Cell that is gone may be given to another one.
        self.forms: dict[int, tuple[nn.Cell, nn.Cell]] = {}

    def form_of(self, cell: nn.Cell) -> nn.Cell:
        if id(cell) not in self.forms:
            self.forms[id(cell)] = (cell, self._rewrite(cell))
        return self.forms[id(cell)][1]

    def _rewrite(self, cell: nn.Cell) -> nn.Cell:
        single = {name for name, child in cell._cells.items() if self.uses[id(child)] == 1}
        for name, child in list(cell._cells.items()):
            form = self.form_of(child)
            if form is not child:
                replace_child(cell, name, form)
        children = dict(cell._cells)
        for layer, norm in _folded_norms(cell):
            if {layer, norm} <= single and isinstance(children[norm], nn.BatchNorm2d):
                if absorb_output(children[layer], *_affine(children[norm])):
                    replace_child(cell, norm, nn.Identity())
        for norm, layer in getattr(cell, "fold_norm_into_next", ()):
            own = children[norm]
            # MindSpore's own operator, on Ascend, would multiply by ones all the same.
            foldable = isinstance(own, LayerNorm) and own.affine and not own.native
            if foldable and {layer, norm} <= single:
                if absorb_input(children[layer], own.gamma.asnumpy(), own.beta.asnumpy()):
                    own.drop_affine()
        return cell.for_inference() if hasattr(cell, "for_inference") else cell


def absorb_output(cell: nn.Cell, scale: np.ndarray, shift: np.ndarray) -> bool:
    """Make ``cell`` compute ``scale * output + shift``; False if it cannot, and is unchanged."""
    if not isinstance(cell, (nn.Conv2d, nn.Dense)):
        return hasattr(cell, "absorb_output") and cell.absorb_output(scale, shift)
    weight = _values(cell.weight)
    _set_linear(
        cell,
        weight * scale.reshape((-1,) + (1,) * (weight.ndim - 1)),
        shift + scale * _values(cell.bias) if cell.has_bias else shift,
    )
    return True


def absorb_input(cell: nn.Cell, scale: np.ndarray, shift: np.ndarray) -> bool:
    """Make ``cell`` take x for ``scale * x + shift``; False if it cannot, and is unchanged."""
    if not isinstance(cell, nn.Dense):
        return hasattr(cell, "absorb_input") and cell.absorb_input(scale, shift)
    weight = _values(cell.weight)
    bias = weight @ shift
    _set_linear(cell, weight * scale, bias + _values(cell.bias) if cell.has_bias else bias)
    return True


def drop_bias(cell: nn.Cell) -> np.ndarray:
    """Take the bias from a convolution or linear layer and return it."""
    bias = _values(cell.bias) if cell.has_bias else np.zeros(len(cell.weight))
    if cell.has_bias:
        forget(cell, "bias")
        cell.has_bias = False
    return bias


def fixed_dense(weight: np.ndarray, bias: np.ndarray | None) -> nn.Dense:
    """Make a linear layer of weight (C_out, C_in) and bias (C_out,)."""
    outputs, inputs = weight.shape
    cell = nn.Dense(inputs, outputs, has_bias=False)
    _set_linear(cell, weight, np.zeros(outputs) if bias is None else bias)
    return cell


def fixed_conv(
    weight: np.ndarray, bias: np.ndarray | None, stride: int = 1, dilation: int = 1, groups: int = 1
) -> nn.Conv2d:
    """Make a convolution of weight (C_out, C_in / groups, k, k), padded to keep H and W."""
    outputs, inputs, size, _ = weight.shape
    cell = nn.Conv2d(
        inputs * groups,
        outputs,
        size,
        stride,
        pad_mode="pad",
        padding=dilation * (size // 2),
        dilation=dilation,
        group=groups,
        has_bias=False,
        weight_init="zeros",
    )
    _set_linear(cell, weight, np.zeros(outputs) if bias is None else bias)
    return cell


def fixed_linear(
    weight: np.ndarray, bias: np.ndarray | None, data_format: str, stride: int = 1
) -> nn.Cell:
    """Make a 1x1 convolution (``NCHW``) or a linear layer (``NHWC``) of weight (C_out, C_in)."""
    if data_format == "NCHW":
        return fixed_conv(weight[:, :, None, None], bias, stride)
    return fixed_dense(weight, bias)


def rescale_output(cell: nn.Cell, factor: float) -> None:
    """Multiply the output of a convolution or linear layer by a constant."""
    channels = len(cell.weight)
    absorb_output(cell, np.full(channels, factor), np.zeros(channels))


def frozen(value: np.ndarray, name: str) -> Parameter:
    """Make a float32 Parameter that is not trained."""
    return make_parameter(np.asarray(value, np.float32), name)


def _set_linear(cell: nn.Cell, weight: np.ndarray, bias: np.ndarray) -> None:
    cell.weight = frozen(weight, "weight")
    if not cell.has_bias and np.any(bias):
        cell.has_bias, cell.bias_add = True, ops.BiasAdd()
    if cell.has_bias:
        cell.bias = frozen(bias, "bias")


def _values(parameter: Parameter) -> np.ndarray:
    return parameter.asnumpy().astype(np.float64)


def _affine(norm: nn.BatchNorm2d) -> tuple[np.ndarray, np.ndarray]:
    """Return scale and shift of a BatchNorm by its running statistics."""
    scale = _values(norm.gamma) / np.sqrt(_values(norm.moving_variance) + norm.eps)
    return scale, _values(norm.beta) - scale * _values(norm.moving_mean)


def _folded_norms(cell: nn.Cell) -> Iterator[tuple[str, str]]:
    if isinstance(cell, nn.SequentialCell):
        yield from pairwise(cell._cells)
    yield from getattr(cell, "fold_norm_into_previous", ())

"""Rewrite networks for inference: the same function with fewer and cheaper operators."""

from __future__ import annotations

import copy
from typing import TypeVar

from mindspore import nn
from mindspore.ops import Primitive

from acmix.errors import check
from acmix.layers.inference import inference_form

Network = TypeVar("Network", bound=nn.Cell)


def fuse(network: Network) -> Network:
    """Return the inference form of a network: a faster copy that computes the same function.

    Every Cell with an inference form is replaced by it, see :mod:`acmix.layers.inference`; other
    Cells stay unchanged. BatchNorms are folded into the preceding convolutions, and affine parts of
    LayerNorms into the following linear layers. Weights of ACmix are composed, and training-only
    Cells are removed. Outputs are equal up to rounding, for images of any size and number.

    Args:
        network: a model, a detector, or any other Cell; it is copied, not modified.

    Returns:
        The inference form in evaluation mode, with its own parameters, which are not trainable.

    Raises:
        UserError: ``network`` is not a Cell.
    """
    check(isinstance(network, nn.Cell), f"fuse takes a Cell, got {type(network).__name__}.")
    cells = [cell for _, cell in network.cells_and_names()]
    # Primitives are stateless and therefore shared; some of them cannot be copied.
    shared = [p for cell in cells for p in vars(cell).values() if isinstance(p, Primitive)]
    form = inference_form(
        copy.deepcopy(network, {id(primitive): primitive for primitive in shared})
    )
    form.compile_cache.clear()
    for name, parameter in form.parameters_and_names():
        parameter.name, parameter.requires_grad = name, False
    return form.set_train(False)

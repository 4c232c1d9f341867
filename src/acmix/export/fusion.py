"""Networks rewritten for inference: the same function by fewer and cheaper operators."""

from __future__ import annotations

import copy
from typing import TypeVar

from mindspore import nn
from mindspore.ops import Primitive

from acmix.errors import check
from acmix.layers.inference import inference_form

Network = TypeVar("Network", bound=nn.Cell)


def fuse(network: Network) -> Network:
    """Return the inference form of a network: a new network that computes the same, faster.

    Every Cell that has an inference form takes it (:mod:`acmix.layers.inference` says how), and
    whatever has none stays as it is: BatchNorms go into the convolutions before them, affine parts
    of LayerNorms into the linear layers behind, weights of ACmix are composed; what is for training
    alone is gone. Outputs are equal to rounding. The form takes images of any size and number.

    Args:
        network: a model, a detector, or any other Cell; it is copied and stays as it is.

    Returns:
        The form, in evaluation mode, with parameters of its own that are not trained.

    Raises:
        UserError: ``network`` is not a Cell.
    """
    check(isinstance(network, nn.Cell), f"fuse takes a Cell, got {type(network).__name__}.")
    cells = [cell for _, cell in network.cells_and_names()]
    # Primitives hold no state; those that compute constants cannot be copied.
    shared = [p for cell in cells for p in vars(cell).values() if isinstance(p, Primitive)]
    form = inference_form(
        copy.deepcopy(network, {id(primitive): primitive for primitive in shared})
    )
    form.compile_cache.clear()
    for name, parameter in form.parameters_and_names():
        parameter.name, parameter.requires_grad = name, False
    return form.set_train(False)

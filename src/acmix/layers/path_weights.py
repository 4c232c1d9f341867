"""Alpha and beta of all ACmix operators of a network."""

from __future__ import annotations

from mindspore import nn

from acmix.layers.acmix import ACmix


def path_weights(network: nn.Cell) -> dict[str, float]:
    """Return alpha and beta of every ACmix operator, in order of depth.

    The keys are ``<name of the Cell>.alpha`` and ``.beta``; a path that an operator does not have
    is left out.
    """
    weights = {}
    for name, cell in network.cells_and_names():
        if isinstance(cell, ACmix):
            for path, value in cell.path_weights().items():
                weights[f"{name}.{path}" if name else path] = value
    return weights

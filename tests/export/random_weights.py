"""Weights behind which no mistake can hide."""

from __future__ import annotations

import numpy as np
from mindspore import nn

from acmix.utils.parameters import set_value


def draw_anew(network: nn.Cell, rng: np.random.Generator) -> nn.Cell:
    """Give every parameter and every running statistic a value that nothing can hide behind."""
    for name, parameter in network.parameters_and_names():
        if name.endswith("random_state"):
            continue
        value = rng.standard_normal(parameter.shape) * 0.4
        if name.endswith("moving_variance"):
            value = 0.5 + np.abs(value)
        elif name.endswith("gamma"):
            value = 1 + value
        elif parameter.ndim > 1:
            value = value * 2 / np.prod(parameter.shape[1:]) ** 0.5
        set_value(parameter, value)
    return network.set_train(False)

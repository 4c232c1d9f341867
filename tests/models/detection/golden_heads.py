"""Weights of mmdetection's heads (tests/golden) for ours."""

from __future__ import annotations

import numpy as np
from mindspore import nn

from acmix.utils.parameters import set_value

_NORM = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


def load_head(head: nn.Cell, state: dict[str, np.ndarray]) -> nn.Cell:
    """Set a head's parameters, whose names are mmdetection's but for the norms; for evaluation."""
    state = {name: value for name, value in state.items() if "num_batches" not in name}
    for name, parameter in head.parameters_and_names():
        module, _, own = name.rpartition(".")
        set_value(parameter, state.pop(f"{module}.{_NORM.get(own, own)}"))
    assert not state
    return head.set_train(False)

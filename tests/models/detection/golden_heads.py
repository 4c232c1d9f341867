"""Heads of mmdetection: weights, inputs, outputs (tests/golden)."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from mindspore import nn

from acmix.utils.parameters import set_value

_FOLDER = Path(__file__).parents[2] / "golden"
_NORM = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean",
         "moving_variance": "running_var"}  # fmt: skip


def load(name: str) -> SimpleNamespace:
    """Return ``meta``, ``state`` by torch's names, and the arrays ``in_*``, ``out_*``."""
    with np.load(_FOLDER / f"{name}.npz") as file:
        state = {key[2:]: file[key] for key in file.files if key.startswith("p:")}
        arrays = {key: file[key] for key in file.files if key.startswith(("in_", "out"))}
        return SimpleNamespace(meta=json.loads(str(file["meta"])), state=state, **arrays)


def load_head(head: nn.Cell, state: dict[str, np.ndarray]) -> nn.Cell:
    """Set a head's parameters, whose names are mmdetection's but for the norms; for evaluation."""
    state = {name: value for name, value in state.items() if "num_batches" not in name}
    for name, parameter in head.parameters_and_names():
        module, _, own = name.rpartition(".")
        set_value(parameter, state.pop(f"{module}.{_NORM.get(own, own)}"))
    assert not state
    return head.set_train(False)

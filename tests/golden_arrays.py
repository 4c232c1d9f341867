"""Weights, inputs and outputs of public PyTorch implementations (tests/golden)."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np

_FOLDER = Path(__file__).parent / "golden"


def load(name: str) -> SimpleNamespace:
    """Return ``meta``, ``state`` by torch's names, and the arrays ``in_*``, ``out_*``."""
    with np.load(_FOLDER / f"{name}.npz") as file:
        state = {key[2:]: file[key] for key in file.files if key.startswith("p:")}
        arrays = {key: file[key] for key in file.files if key.startswith(("in_", "out"))}
        return SimpleNamespace(meta=json.loads(str(file["meta"])), state=state, **arrays)

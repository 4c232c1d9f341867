"""Activations and their gradients."""

from __future__ import annotations

import numpy as np

from acmix.tools.rehearsal.npu.registry import aclnn


@aclnn("aclnnRelu", "x >y")
def relu(x: np.ndarray) -> np.ndarray:
    """Return max(x, 0)."""
    return np.maximum(x, 0)

"""Losses."""

from __future__ import annotations

import numpy as np
from scipy import special

from acmix.tools.rehearsal.npu.registry import operator


@operator("SoftmaxCrossEntropyWithLogits", "features labels >loss >backprop")
def softmax_cross_entropy(
    features: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the losses -sum(labels log softmax) and softmax - labels; (B, C) both."""
    logarithms = special.log_softmax(features, axis=1)
    return -np.sum(labels * logarithms, axis=1), np.exp(logarithms) - labels

"""Network outputs as NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

Outputs = np.ndarray | tuple[np.ndarray, ...]


def to_numpy(outputs: Any) -> Outputs:
    """Convert a tensor, or a tuple of tensors, to arrays."""
    if isinstance(outputs, (tuple, list)):
        return tuple(output.asnumpy() for output in outputs)
    return outputs.asnumpy()

"""What a network gives, as NumPy arrays."""

from __future__ import annotations

import numpy as np

Outputs = np.ndarray | tuple[np.ndarray, ...]


def to_numpy(outputs) -> Outputs:
    """Tensor or tuple of tensors as arrays."""
    if isinstance(outputs, (tuple, list)):
        return tuple(output.asnumpy() for output in outputs)
    return outputs.asnumpy()

"""Network outputs as NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from acmix.errors import check

Outputs = np.ndarray | tuple[np.ndarray, ...]


def check_numbers(image: object, outputs: Outputs) -> None:
    """Raise UserError if outputs for an image are NaN or infinite; they would rank nothing."""
    arrays = outputs if isinstance(outputs, tuple) else (outputs,)
    check(
        all(np.isfinite(array).all() for array in arrays),
        f"{image}: the network's outputs are NaN or infinite. Its weights or its side-car are "
        "damaged; export it again.",
    )


def to_numpy(outputs: Any) -> Outputs:
    """Convert a tensor, or a tuple of tensors, to arrays."""
    if isinstance(outputs, (tuple, list)):
        return tuple(output.asnumpy() for output in outputs)
    return outputs.asnumpy()

"""Tensors of a file that have been described and checked, but not read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from acmix.utils.array_types import BYTES, bytes_of


@dataclass(frozen=True, eq=False)
class Pending:
    """A tensor of a file.

    Args:
        kind: its element type, a key of :data:`acmix.utils.array_types.BYTES` or another name.
        shape: of the tensor.
        read: returns the array.
        problem: why it is not read, as what follows its name; empty if it is read.
    """

    kind: str
    shape: tuple[int, ...]
    read: Callable[[], np.ndarray]
    problem: str = ""

    @property
    def bytes(self) -> int:
        """Size of the array; 0 if it is not read."""
        return bytes_of(self.kind, self.shape) if self.kind in BYTES and not self.problem else 0

"""The batches of each optimizer step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

Batch = tuple[np.ndarray, ...]
Group = tuple[Batch, ...]
"""The batches that one step accumulates."""


def batches_of_steps(batches: Iterable[Batch], accumulate: int) -> Iterator[Group]:
    """Iterate over groups of ``accumulate`` batches; an incomplete last one is dropped."""
    # zip reads the same iterator `accumulate` times for each group.
    return zip(*[iter(batches)] * accumulate, strict=False)

"""The batches of each optimizer step, and a progress bar over the steps."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

import numpy as np
from tqdm import tqdm

Batch = tuple[np.ndarray, ...]
Group = tuple[Batch, ...]
"""The batches that one step accumulates."""


def batches_of_steps(batches: Iterable[Batch], accumulate: int) -> Iterator[Group]:
    """Iterate over groups of ``accumulate`` batches; an incomplete last one is dropped."""
    # zip reads the same iterator `accumulate` times for each group.
    return zip(*[iter(batches)] * accumulate, strict=False)


def with_progress_bar(
    groups: Iterator[Group], title: str, steps: int, done: int
) -> Iterator[Group]:
    """Iterate over ``groups``, with a progress bar if the output is a terminal.

    Args:
        groups: of the steps that remain.
        title: in front of the bar.
        steps: length of the bar.
        done: place of the first of ``groups`` in it.
    """
    disable = not sys.stderr.isatty()
    return iter(tqdm(groups, title, steps, initial=done, leave=False, disable=disable))

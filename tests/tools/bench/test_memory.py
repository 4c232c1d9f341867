"""Peak memory is that of the computation, whatever was done before."""

from functools import partial

import numpy as np

from acmix.tools.bench.memory import peak_memory

MEBI = 2**20


def spend(mebibytes):
    """A computation that holds so many MiB for a moment, and a small one."""
    return partial(np.ones, 1), partial(np.ones, mebibytes * MEBI // 8)


def test_peak_memory_counts_what_was_held_and_let_go():
    peak = peak_memory(spend, 64)
    assert 63 * MEBI <= peak < 72 * MEBI  # pages come and go

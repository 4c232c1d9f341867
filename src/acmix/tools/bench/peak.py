"""Peak of the machine by a large matrix product: the bound for convolutions and products."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from mindspore import Tensor, ops

from acmix.tools.bench.timing import measure
from acmix.utils.target import current_target

MATMUL_SIZE = 2048
PROBES = 2


@dataclass(frozen=True)
class Peak:
    """Speed of a large matrix product in the rounds of a group of networks.

    Attributes:
        batch_size: Batch size of the networks in those rounds.
        gflops: GFLOP/s of each round, the maximum over its products.
        names: Networks in those rounds; empty for all.
    """

    batch_size: int
    gflops: tuple[float, ...]
    names: tuple[str, ...] = ()


def matmul_probes() -> dict[str, Callable[[], object]]:
    """Return candidates that multiply two float32 matrices; each round counts the fastest.

    On CPU they include NumPy, whose library is faster than MindSpore's product on some machines.
    """
    values = np.random.default_rng(0).standard_normal((2, MATMUL_SIZE, MATMUL_SIZE))
    own = values.astype(np.float32)
    left, right = map(Tensor, own)
    probes: dict[str, Callable[[], object]] = {
        f"matmul {i}": lambda: ops.matmul(left, right) for i in range(PROBES)
    }
    if current_target().name == "CPU":
        probes |= {f"NumPy's {i}": lambda: own[0] @ own[1] for i in range(PROBES)}
    return probes


def peak_of(batch_size: int, samples: list[tuple[float, ...]], names: Iterable[str] = ()) -> Peak:
    """Compute the peak of each round from the seconds of each probe."""
    operations = 2 * MATMUL_SIZE**3
    return Peak(
        batch_size,
        tuple(operations / min(seconds) / 1e9 for seconds in zip(*samples, strict=True)),
        tuple(names),
    )


def matmul_peak() -> float:
    """Measure the peak of this process, in FLOP/s."""
    probes = measure(matmul_probes(), warmup=1, repeats=3)
    return 1e9 * max(peak_of(1, [probe.seconds for probe in probes]).gflops)

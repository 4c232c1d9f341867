"""The machine's own peak, the yardstick: no network of convolutions and products runs faster."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from mindspore import Tensor, ops

from acmix.tools.bench.throughput import measure
from acmix.utils.target import current_target

MATMUL_SIZE = 2048
PROBES = 2


@dataclass(frozen=True)
class Peak:
    """Speed of a large matrix product in the very rounds in which networks were measured.

    Attributes:
        batch_size: Of the networks in those rounds.
        gflops: GFLOP/s of each round, the best of its products.
        names: Of the networks in those rounds; empty: of all.
    """

    batch_size: int
    gflops: tuple[float, ...]
    names: tuple[str, ...] = ()


def matmul_probes() -> dict[str, Callable[[], object]]:
    """Candidates that multiply two float32 matrices, several so that a round has a best one.

    On CPU NumPy multiplies, too: its library is the faster one on some machines, and a peak must
    not be low because MindSpore's product is slow.
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
    """The peak from the seconds of each probe, round by round."""
    operations = 2 * MATMUL_SIZE**3
    return Peak(
        batch_size,
        tuple(operations / min(seconds) / 1e9 for seconds in zip(*samples, strict=True)),
        tuple(names),
    )


def matmul_peak() -> float:
    """Measure the peak of this process by itself, FLOP/s."""
    probes = measure(matmul_probes(), warmup=1, repeats=3)
    return 1e9 * max(peak_of(1, [probe.seconds for probe in probes]).gflops)

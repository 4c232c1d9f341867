"""Frames per second of networks, and the machine's own peak to hold them against."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from acmix.bench.report import BenchReport
from acmix.bench.throughput import Timing, measure
from acmix.environment import describe
from acmix.errors import check, suggest
from acmix.utils.modes import evaluation_mode


def bench_models(
    networks: Mapping[str, nn.Cell],
    input_shape: Sequence[int],
    batch_sizes: Sequence[int] = (1, 8),
    *,
    warmup: int = 3,
    repeats: int = 20,
    baseline: str | Mapping[str, str] | None = None,
    macs: Mapping[str, int] | None = None,
    published: Mapping[str, str] | None = None,
    progress: Callable[[str], object] = lambda line: None,
) -> BenchReport:
    """Measure inference of ``networks`` in the current execution mode on this device.

    The images lie on the device; decoding and host transfers are not measured.

    Args:
        networks: Cells by name, from images float32 (B, C, H, W).
        input_shape: Shape (C, H, W) of an image.
        batch_sizes: Batch sizes; the networks take turns within each.
        warmup: Rounds before the measured ones.
        repeats: Measured rounds.
        baseline: Name of the network all are compared with, or for some networks the name of the
            one each is compared with.
        macs: Multiply-adds per image by name; adds the share of the matmul peak to the table.
        published: What the paper prints, by name; adds a column to the table.
        progress: Called with a line before each batch size.

    Raises:
        UserError: ``baseline`` is not one of the networks, or a number is out of range.
    """
    baselines = dict.fromkeys(networks, baseline) if isinstance(baseline, str) else baseline or {}
    for name in {*baselines, *baselines.values()}:
        check(name in networks, f"baseline: '{name}' is not measured." + suggest(name, networks))
    timings: list[Timing] = []
    with ExitStack() as stack:
        for network in networks.values():
            stack.enter_context(evaluation_mode(network))
        for size in batch_sizes:
            check(size >= 1, f"batch_sizes: got {size}; give at least 1.")
            progress(f"batch size {size}: {', '.join(networks)}")
            images = _random(size, *input_shape)
            calls = {name: _call(network, images) for name, network in networks.items()}
            timings += measure(calls, warmup=warmup, repeats=repeats, batch_size=size)
    return BenchReport(
        environment=describe(),
        mode="graph" if ms.get_context("mode") == ms.GRAPH_MODE else "pynative",
        input_shape=tuple(input_shape),
        warmup=warmup,
        matmul_gflops=matmul_peak(),
        baselines=dict(baselines),
        macs=dict(macs or {}),
        timings=tuple(timings),
        published=dict(published or {}),
    )


def matmul_peak(size: int = 2048, repeats: int = 10) -> float:
    """GFLOP/s of a float32 product of two ``size`` x ``size`` matrices: the best of ``repeats``.

    The yardstick of a machine: no network of convolutions and products runs faster.
    """
    left, right = _random(size, size), _random(size, size)
    (timing,) = measure({"matmul": lambda: ops.matmul(left, right)}, warmup=2, repeats=repeats)
    return 2 * size**3 / min(timing.seconds) / 1e9


def _call(network: nn.Cell, images: Tensor) -> Callable[[], object]:
    return lambda: network(images)


def _random(*shape: int) -> Tensor:
    return Tensor(np.random.default_rng(0).standard_normal(shape).astype(np.float32))

"""Frames per second of networks, in turns with each other and with the machine's own peak."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn

from acmix.errors import check, suggest
from acmix.tools.bench.machine import machine_facts
from acmix.tools.bench.peak import Peak, matmul_probes, peak_of
from acmix.tools.bench.report import BenchReport
from acmix.tools.bench.setting import Setting
from acmix.tools.bench.throughput import Timing, measure
from acmix.utils.modes import evaluation_mode

Prepare = Callable[[np.ndarray], Callable[[], object]]
"""From a batch of images float32 (B, C, H, W) on the host to a call that does one batch's work."""


def bench_models(
    networks: Mapping[str, nn.Cell], input_shape: Sequence[int], *arguments: Any, **options: Any
) -> BenchReport:
    """Measure inference of ``networks`` in the current execution mode on this device.

    The images lie on the device; decoding and host transfers are not measured.

    Args:
        networks: Cells by name, from images float32 (B, C, H, W).
        input_shape: Shape (C, H, W) of an image.
        *arguments: See :func:`bench_candidates`.
        **options: See :func:`bench_candidates`.
    """
    with ExitStack() as stack:
        for network in networks.values():
            stack.enter_context(evaluation_mode(network))
        candidates = {name: on_device(network) for name, network in networks.items()}
        return bench_candidates(candidates, input_shape, *arguments, **options)


def bench_candidates(
    candidates: Mapping[str, Prepare],
    input_shape: Sequence[int],
    batch_sizes: Sequence[int] = (1, 8),
    *,
    setting: Setting = Setting(),  # noqa: B008  # frozen
    warmup: int = 3,
    repeats: int = 20,
    baseline: str | Mapping[str, str] | None = None,
    macs: Mapping[str, int] | None = None,
    published: Mapping[str, str] | None = None,
    progress: Callable[[str], object] = lambda line: None,
) -> BenchReport:
    """Measure whatever handles a batch of images, and between it the peak of the machine.

    What is compared takes turns; what is not compared with anything of it comes before or after, so
    that the memory of a large table is that of its largest comparison.

    Args:
        candidates: By name what to measure; each is called once for each batch size and let go
            after its rounds.
        input_shape: Shape (C, H, W) of an image.
        batch_sizes: Batch sizes; the candidates take turns within each.
        setting: What the candidates do, for the report.
        warmup: Rounds before the measured ones.
        repeats: Measured rounds.
        baseline: Name of the candidate all are compared with, or for some candidates the name of
            the one each is compared with.
        macs: Multiply-adds per image by name; adds the share of the matmul peak to the table.
        published: What the paper prints, by name; adds a column to the table.
        progress: Called with a line before each batch size.

    Raises:
        UserError: ``baseline`` is not one of the candidates, or a number is out of range.
    """
    baselines = dict.fromkeys(candidates, baseline) if isinstance(baseline, str) else baseline or {}
    for name in {*baselines, *baselines.values()}:
        check(
            name in candidates, f"baseline: '{name}' is not measured." + suggest(name, candidates)
        )
    timings: list[Timing] = []
    peaks: list[Peak] = []
    for size in batch_sizes:
        check(size >= 1, f"batch_sizes: got {size}; give at least 1.")
        images = np.random.default_rng(0).standard_normal((size, *input_shape)).astype(np.float32)
        for names in _compared(candidates, baselines):
            progress(f"batch size {size}: {', '.join(names)}")
            calls = {name: candidates[name](images) for name in names}
            done = measure(
                {**calls, **matmul_probes()}, warmup=warmup, repeats=repeats, batch_size=size
            )
            timings += done[: len(calls)]
            peaks.append(peak_of(size, [probe.seconds for probe in done[len(calls) :]], names))
            del calls, done
    return BenchReport(
        environment=machine_facts(),
        mode="graph" if ms.get_context("mode") == ms.GRAPH_MODE else "pynative",
        input_shape=tuple(input_shape),
        warmup=warmup,
        matmul_gflops=max(max(peak.gflops) for peak in peaks),
        baselines=dict(baselines),
        macs=dict(macs or {}),
        timings=tuple(timings),
        published=dict(published or {}),
        peaks=tuple(peaks),
        setting=setting,
    )


def _compared(names: Iterable[str], baselines: Mapping[str, str]) -> list[list[str]]:
    """Group names by what they are compared with; without any comparison they are one group."""
    groups: dict[str, list[str]] = {}
    for name in names:
        root = name if baselines else ""
        while baselines.get(root, root) != root:
            root = baselines[root]
        groups.setdefault(root, []).append(name)
    return list(groups.values())


def on_device(network: nn.Cell) -> Prepare:
    """Measure ``network`` alone: the images are on the device, the outputs stay there."""

    def prepare(images: np.ndarray) -> Callable[[], object]:
        placed = Tensor(images)
        return lambda: network(placed)

    return prepare


def with_transfer(network: nn.Cell) -> Prepare:
    """Measure ``network`` with the copies of images to the device and of outputs back."""

    def prepare(images: np.ndarray) -> Callable[[], object]:
        # A new Tensor has no memory on the device yet; measuring waits for asnumpy on CPU only.
        return lambda: _fetch(network(Tensor(images)))

    return prepare


def _fetch(outputs: Any) -> list[np.ndarray]:
    return [output.asnumpy() for output in (outputs if isinstance(outputs, tuple) else (outputs,))]

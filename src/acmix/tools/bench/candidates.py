"""Throughput of candidates, measured in interleaved rounds together with the machine's peak."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn

from acmix.config import OptimConfig
from acmix.engine.optim import create_optimizer
from acmix.engine.recompute import recompute_blocks
from acmix.engine.train_step import TrainStep
from acmix.errors import check, suggest
from acmix.tasks import Task
from acmix.tools.bench.machine import machine_facts
from acmix.tools.bench.models_report import ModelsReport
from acmix.tools.bench.peak import Peak, peak_of, probes
from acmix.tools.bench.setting import Setting
from acmix.tools.bench.timing import Timing, measure
from acmix.tools.training_step import LEARNING_RATE
from acmix.utils.modes import evaluation_mode

Prepare = Callable[[np.ndarray], Callable[[], object]]
"""Maps a batch of images float32 (B, C, H, W) on the host to a call that processes one batch."""


def bench_networks(
    networks: Mapping[str, nn.Cell], input_shape: Sequence[int], *arguments: Any, **options: Any
) -> ModelsReport:
    """Measure inference of ``networks`` in the current execution mode on this device.

    The images are on the device; decoding and host transfers are not measured.

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
) -> ModelsReport:
    """Measure candidates that process a batch of images, in turns with probes of the peak.

    Candidates that are compared share their rounds. Unrelated candidates are measured in separate
    groups, so peak memory is that of the largest group.

    Args:
        candidates: Candidates by name. Each is prepared once per batch size and freed after
            its rounds.
        input_shape: Shape (C, H, W) of an image.
        batch_sizes: Batch sizes; candidates are interleaved within each.
        setting: Options of the measurement, for the report.
        warmup: Rounds before the measured ones.
        repeats: Measured rounds.
        baseline: Name of the common baseline, or a mapping from candidates to their baselines.
        macs: Multiply-adds per image by name; adds the share of the peak to the table.
        published: Numbers from the paper, by name; adds a column to the table.
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
    probed = probes()
    for size in batch_sizes:
        check(size >= 1, f"batch_sizes: got {size}; give at least 1.")
        images = np.random.default_rng(0).standard_normal((size, *input_shape)).astype(np.float32)
        for names in _compared(candidates, baselines):
            progress(f"batch size {size}: {', '.join(names)}")
            calls = {name: candidates[name](images) for name in names}
            calls |= {name: probe.call for name, probe in probed.items()}
            done = measure(calls, warmup=warmup, repeats=repeats, batch_size=size)
            timings += done[: len(names)]
            peaks.append(peak_of(zip(probed.values(), done[len(names) :], strict=True)))
            del calls, done
    return ModelsReport(
        environment=machine_facts(),
        mode="graph" if ms.get_context("mode") == ms.GRAPH_MODE else "pynative",
        input_shape=tuple(input_shape),
        warmup=warmup,
        probed_peak=max(peaks),
        baselines=dict(baselines),
        macs=dict(macs or {}),
        timings=tuple(timings),
        published=dict(published or {}),
        setting=setting,
    )


def _compared(names: Iterable[str], baselines: Mapping[str, str]) -> list[list[str]]:
    """Group names that share a baseline; without baselines all names form one group."""
    groups: dict[str, list[str]] = {}
    for name in names:
        root = name if baselines else ""
        while baselines.get(root, root) != root:
            root = baselines[root]
        groups.setdefault(root, []).append(name)
    return list(groups.values())


def on_device(network: nn.Cell) -> Prepare:
    """Measure ``network`` alone: images and outputs stay on the device."""

    def prepare(images: np.ndarray) -> Callable[[], object]:
        placed = Tensor(images)
        return lambda: network(placed)

    return prepare


def with_transfer(network: nn.Cell) -> Prepare:
    """Measure ``network`` including the copies of images to the device and of outputs back."""

    def prepare(images: np.ndarray) -> Callable[[], object]:
        # A new Tensor has no device memory yet, so every call copies the images again.
        return lambda: _fetch(network(Tensor(images)))

    return prepare


def training_step(task: Task[Any, Any, Any], model: nn.Cell, recompute: bool = False) -> Prepare:
    """Measure forward, backward and AdamW update in float32, including the copy of the batch.

    Targets are random; the learning rate is :data:`LEARNING_RATE`. With ``recompute`` as in
    training with ``train.recompute``.
    """

    def prepare(images: np.ndarray) -> Callable[[], object]:
        targets = task.random_targets(model, images.shape, np.random.default_rng(0))
        network = task.benchmark_objective(model).train_network
        network.set_train(True)
        if recompute:
            recompute_blocks(network)
        step = TrainStep(network, create_optimizer(network, OptimConfig(lr=LEARNING_RATE)))
        return lambda: step([(images, *targets)], LEARNING_RATE)

    return prepare


def _fetch(outputs: Any) -> list[np.ndarray]:
    return [output.asnumpy() for output in (outputs if isinstance(outputs, tuple) else (outputs,))]

"""``acmix bench models`` and ``table``: networks by name or checkpoint, and the speed tables."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from mindspore import nn, ops

from acmix.config import Config, RuntimeConfig
from acmix.environment import set_device
from acmix.errors import check, suggest
from acmix.export.fusion import fuse
from acmix.layers.conv_path import ConvPath
from acmix.tasks import Task, get_task, task_of_network
from acmix.tools.analysis.macs import trace
from acmix.tools.analysis.paper import SPEED_TABLES
from acmix.tools.bench import graph_kernel as akg
from acmix.tools.bench.backends import by_backend, check_backend
from acmix.tools.bench.candidates import Prepare, bench_candidates, training_step
from acmix.tools.bench.memory import Computation, peak_memory
from acmix.tools.bench.models_report import ModelsReport
from acmix.tools.bench.setting import Setting
from acmix.utils.progress import ProgressLine
from acmix.utils.waiting import wait_for
from acmix.workflows.runs import restore, run_config, run_folder

GAINS: dict[str, tuple[tuple[str, dict[str, Any]], tuple[str, dict[str, Any]]]] = {
    "fuse": ((", as trained", {"fused": False}), ("", {"fused": True})),
    "block": (("", {"conv_impl": "group"}), (", block", {"conv_impl": "block"})),
    "recompute": (("", {}), (", recomputed", {"recompute": True})),
    "graph-kernel": (("", {}), (", graph kernel", {"graph_kernel": True})),
}
"""Optimisations to measure without and with: suffix of the row's name and changed settings."""


@dataclass(frozen=True)
class NetworkFactory:
    """Creates one network in several forms.

    Attributes:
        task: of the network.
        make: creates the network; takes ``conv_impl`` to override the default.
        shape: (C, H, W) of its images.
    """

    task: Task[Any, Any, Any]
    make: Callable[..., nn.Cell]
    shape: tuple[int, ...]


def bench_models(
    names: Sequence[str],
    checkpoints: Sequence[str | Path] = (),
    *,
    input_size: tuple[int, int] | None = None,
    baseline: str | None = None,
    **options: Any,
) -> ModelsReport:
    """Measure networks by name, or the networks of finished runs.

    Args:
        names: registered networks of any task, measured with initial weights at ``input_size``.
        checkpoints: of runs; a row has the name of the run folder. All networks must take
            images of one size.
        input_size: height and width for ``names``; None for :func:`default_size`.
        baseline: row the others are compared with; None for the first of several.
        **options: see :func:`bench_factories`.
    """
    check(
        not (names and checkpoints),
        "give model names or checkpoints, not both: they are measured at different sizes.",
    )
    factories = {name: _by_name(name, input_size) for name in names}
    for checkpoint in checkpoints:
        factories[run_folder(checkpoint).name] = _of_run(checkpoint)
    if options.get("gain") is None and baseline is None and len(factories) > 1:
        baseline = next(iter(factories))
    return bench_factories(factories, baseline=baseline, **options)


def bench_table(
    table: str, *, input_size: tuple[int, int] | None = None, **options: Any
) -> ModelsReport:
    """Measure the networks of a speed table, next to the paper's numbers.

    Args:
        table: one of :data:`acmix.tools.analysis.paper.SPEED_TABLES`.
        input_size: height and width; None for :func:`default_size`.
        **options: see :func:`bench_factories`; ``batch_sizes`` default to the table's.
    """
    check(table in SPEED_TABLES, f"table: '{table}' is unknown.{suggest(table, SPEED_TABLES)}")
    chosen = SPEED_TABLES[table]
    options["batch_sizes"] = options.get("batch_sizes") or chosen.batch_sizes
    return bench_factories(
        {row.row: _by_name(row.name, input_size, **row.arguments) for row in chosen.rows},
        baseline={row.row: row.baseline for row in chosen.rows if row.baseline},
        published={row.row: row.printed for row in chosen.rows if row.printed},
        **options,
    )


def bench_factories(
    factories: Mapping[str, NetworkFactory],
    *,
    device: str = "auto",
    setting: Setting = Setting(fused=True),  # noqa: B008  # frozen
    gain: str | None = None,
    batch_sizes: Sequence[int] | None = None,
    baseline: str | Mapping[str, str] | None = None,
    **options: Any,
) -> ModelsReport:
    """Measure networks with one setting, or without and with one of :data:`GAINS`.

    Args:
        factories: networks by name; all take images of one shape.
        device: device target or ``auto``.
        setting: options of the measurement.
        gain: optimisation to measure each network without and with.
        batch_sizes: None for 1 and 8.
        baseline: see :func:`acmix.tools.bench.candidates.bench_candidates`; not with ``gain``.
        **options: see :func:`acmix.tools.bench.candidates.bench_candidates`.

    Raises:
        UserError: the setting is contradictory or not supported here, or
            :func:`acmix.tools.bench.graph_kernel.check_gradients` fails.
    """
    check(gain is None or gain in GAINS, f"gain: '{gain}' is unknown.{suggest(str(gain), GAINS)}")
    _check_setting(setting, gain)
    set_device(RuntimeConfig(device=device, jit_level=setting.jit_level))  # type: ignore[arg-type]  # checked by its section
    check_backend(setting.backend)
    if gain == "graph-kernel":
        akg.check_available()
    shapes = {factory.shape for factory in factories.values()}
    check(
        len(shapes) == 1,
        f"the networks take images of several shapes, {sorted(shapes)}; measure them apart, or "
        "set --input-size.",
    )
    (shape,) = shapes
    if gain:
        without, with_it = (suffix for suffix, _ in GAINS[gain])
        baseline = {name + with_it: name + without for name in factories}
    candidates: dict[str, Prepare] = {}
    macs: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, factory in factories.items():
            if gain == "graph-kernel":
                akg.check_gradients(factory.make().set_train(True), _check_images(shape))
            for label, chosen in _forms(name, setting, gain):
                model = _make(factory, name, chosen)
                if not setting.training:
                    macs[label] = trace(_deployed(factory, model, setting), (1, *shape)).macs
                del model  # created again for its rounds: all at once would exhaust the memory
                candidates[label] = partial(_prepare, factory, name, chosen, Path(folder))
        report = bench_candidates(
            candidates,
            shape,
            batch_sizes or (1, 8),
            setting=setting,
            baseline=baseline,
            macs=macs,
            **options,
        )
        if gain == "recompute":  # which is for memory
            report = replace(report, memory=tuple(_memory(report, candidates)))
        return report


def _memory(report: ModelsReport, candidates: Mapping[str, Prepare]) -> Iterator[int | None]:
    for timing in report.timings:
        shape = timing.batch_size, *report.input_shape
        with ProgressLine(f"measuring the memory of {timing.name}"):
            yield peak_memory(_computations, candidates[timing.name], shape)


def _computations(prepare: Prepare, shape: tuple[int, ...]) -> tuple[Computation, Computation]:
    images = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    network = prepare(images)
    return lambda: ops.ones((1,)), lambda: wait_for(network())


def default_size(name: str) -> tuple[int, int]:
    """Return the height and width at which the paper counts and measures a network."""
    return task_of_network(name).benchmark.image_size


def create_network(name: str) -> nn.Cell:
    """Create a registered network with its post-processing."""
    task = task_of_network(name)
    return task.deployed(task.create(name))


def _by_name(name: str, input_size: tuple[int, int] | None, **arguments: Any) -> NetworkFactory:
    task = task_of_network(name)
    make = partial(_create, name, **arguments)  # not a closure: peak_memory pickles it
    return NetworkFactory(task, make, (3, *(input_size or task.benchmark.image_size)))


def _create(name: str, **arguments: Any) -> nn.Cell:
    return task_of_network(name).create(name, **arguments).set_train(False)


def _of_run(checkpoint: str | Path) -> NetworkFactory:
    config = run_config(checkpoint)
    task = get_task(config.task)
    return NetworkFactory(task, partial(_restore, config, checkpoint), task.image_shape(config))


def _restore(config: Config, checkpoint: str | Path, **more: Any) -> nn.Cell:
    kwargs = {**config.model.kwargs, **more}
    return restore(replace(config, model=replace(config.model, kwargs=kwargs)), checkpoint)[0]


def _check_setting(setting: Setting, gain: str | None) -> None:
    for applies, message in (
        (setting.fused or gain == "fuse", "the fused form is for inference; add --no-fuse"),
        (setting.backend != "mindspore", "other back ends only infer; leave --backend out"),
        (setting.raw, "training has no post-processing; leave --raw out"),
        (setting.transfer, "a training step always copies its batch; leave --transfer out"),
    ):
        check(not (setting.training and applies), f"--training: {message}.")
    check(
        gain != "recompute" or setting.training,
        "--gain recompute: nothing is kept in inference; add --training.",
    )
    check(
        gain != "graph-kernel" or setting.backend == "mindspore",
        "--gain graph-kernel: it is MindSpore's own compiler; leave --backend out.",
    )
    check(
        gain != "block" or not setting.conv_impl,
        "--gain block: it sets the formulation of the convolution path itself.",
    )


def _check_images(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((2, *shape)).astype(np.float32)


def _forms(name: str, setting: Setting, gain: str | None) -> list[tuple[str, Setting]]:
    """Return the rows of a network: name and setting of each."""
    if gain is None:
        return [(name, setting)]
    return [(name + suffix, replace(setting, **changes)) for suffix, changes in GAINS[gain]]


def _make(factory: NetworkFactory, name: str, setting: Setting) -> nn.Cell:
    if not setting.conv_impl:
        return factory.make()
    model = factory.make(conv_impl=setting.conv_impl)
    cells = (cell for _, cell in model.cells_and_names())
    check(
        any(isinstance(cell, ConvPath) for cell in cells),
        f"--gain block: {name} has no convolution path of ACmix.",
    )
    return model


def _prepare(
    factory: NetworkFactory, name: str, setting: Setting, folder: Path, images: np.ndarray
) -> Callable[[], object]:
    """Create a network in the form of ``setting``; return a call as :data:`Prepare` does."""
    model = _make(factory, name, setting)
    if setting.training:
        prepare = training_step(factory.task, model, setting.recompute)
    else:
        network = _deployed(factory, model, setting)
        if setting.fused:
            network = fuse(network)
        network.set_train(False)
        prepare = by_backend(network, setting.backend, setting.transfer, folder)
    call = prepare(images)
    return akg.compiled_by_graph_kernel(call) if setting.graph_kernel else call


def _deployed(factory: NetworkFactory, model: nn.Cell, setting: Setting) -> nn.Cell:
    """Return the network up to its post-processing, or to its raw outputs."""
    return model if setting.raw else factory.task.deployed(model)

"""Networks by name or checkpoint, and the paper's tables of speeds, measured in turns."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from mindspore import nn

from acmix.config import RuntimeConfig
from acmix.environment import set_device
from acmix.errors import check, suggest
from acmix.export.fusion import fuse
from acmix.layers.conv_path import ConvPath
from acmix.tasks import Task, get_task, task_of_network
from acmix.tools.analysis.macs import trace
from acmix.tools.analysis.paper import SPEED_TABLES
from acmix.tools.bench import graph_kernel as akg
from acmix.tools.bench.backends import by_backend, check_backend
from acmix.tools.bench.models import Prepare, bench_candidates
from acmix.tools.bench.report import BenchReport
from acmix.tools.bench.setting import Setting
from acmix.tools.training_step import training_step
from acmix.workflows.runs import restore, run_config, run_folder

GAINS: dict[str, tuple[tuple[str, dict[str, Any]], tuple[str, dict[str, Any]]]] = {
    "fuse": ((", as trained", {"fused": False}), ("", {"fused": True})),
    "block": (("", {"conv_impl": "group"}), (", block", {"conv_impl": "block"})),
    "graph-kernel": (("", {}), (", graph kernel", {"graph_kernel": True})),
}
"""What can be measured without and with, in turns: suffix of the row's name and changed setting."""


@dataclass(frozen=True)
class Subject:
    """A network that can be made in several forms.

    Attributes:
        task: of the network.
        make: takes ``conv_impl`` if that is to be another than the default.
        shape: (C, H, W) of its images.
    """

    task: Task[Any, Any, Any]
    make: Callable[..., nn.Cell]
    shape: tuple[int, ...]


def bench(
    names: Sequence[str],
    checkpoints: Sequence[str | Path] = (),
    *,
    input_size: tuple[int, int] | None = None,
    baseline: str | None = None,
    **options: Any,
) -> BenchReport:
    """Measure networks by name, or the networks of finished runs, in turns.

    Args:
        names: registered models and detectors, measured with fresh weights at ``input_size``.
        checkpoints: of runs; a run's network goes by the name of its folder. All must take images
            of one size, which is measured.
        input_size: height and width for ``names``; None for :func:`default_size`.
        baseline: what the others are compared with; None for the first of several.
        **options: see :func:`bench_subjects`.
    """
    check(
        not (names and checkpoints),
        "give model names or checkpoints, not both: they are measured at different sizes.",
    )
    subjects = {name: _by_name(name, input_size) for name in names}
    for checkpoint in checkpoints:
        subjects[run_folder(checkpoint).name] = _of_run(checkpoint)
    if options.get("gain") is None and baseline is None and len(subjects) > 1:
        baseline = next(iter(subjects))
    return bench_subjects(subjects, baseline=baseline, **options)


def bench_table(
    table: str, *, input_size: tuple[int, int] | None = None, **options: Any
) -> BenchReport:
    """Measure the networks of a table of speeds, beside what the paper prints.

    Args:
        table: one of :data:`acmix.tools.analysis.paper.SPEED_TABLES`.
        input_size: height and width; None for :func:`default_size`.
        **options: see :func:`bench_subjects`; ``batch_sizes`` are the table's unless given.
    """
    check(table in SPEED_TABLES, f"table: '{table}' is unknown.{suggest(table, SPEED_TABLES)}")
    chosen = SPEED_TABLES[table]
    options["batch_sizes"] = options.get("batch_sizes") or chosen.batch_sizes
    return bench_subjects(
        {row.row: _by_name(row.name, input_size, **row.arguments) for row in chosen.rows},
        baseline={row.row: row.baseline for row in chosen.rows if row.baseline},
        published={row.row: row.printed for row in chosen.rows if row.printed},
        **options,
    )


def bench_subjects(
    subjects: Mapping[str, Subject],
    *,
    device: str = "auto",
    setting: Setting = Setting(fused=True),  # noqa: B008  # frozen
    gain: str | None = None,
    batch_sizes: Sequence[int] | None = None,
    baseline: str | Mapping[str, str] | None = None,
    **options: Any,
) -> BenchReport:
    """Measure networks in one setting, or without and with one of :data:`GAINS`.

    Args:
        subjects: by name what to measure; all take images of one shape.
        device: device target or ``auto``.
        setting: what to measure of them.
        gain: measure each network twice and compare with itself.
        batch_sizes: None for 1 and 8.
        baseline: see :func:`acmix.tools.bench.models.bench_candidates`; not with ``gain``.
        **options: see :func:`acmix.tools.bench.models.bench_candidates`.

    Raises:
        UserError: the setting is contradictory or not possible here, or see
            :func:`acmix.tools.bench.graph_kernel.check_gradients`.
    """
    check(gain is None or gain in GAINS, f"gain: '{gain}' is unknown.{suggest(str(gain), GAINS)}")
    _check_setting(setting, gain)
    set_device(RuntimeConfig(device=device, jit_level=setting.jit_level))  # type: ignore[arg-type]  # checked by its section
    check_backend(setting.backend)
    if gain == "graph-kernel":
        akg.check_available()
    shapes = {subject.shape for subject in subjects.values()}
    check(
        len(shapes) == 1,
        f"the networks take images of several shapes, {sorted(shapes)}; measure them apart, or "
        "set --input-size.",
    )
    (shape,) = shapes
    if gain:
        without, with_it = (suffix for suffix, _ in GAINS[gain])
        baseline = {name + with_it: name + without for name in subjects}
    candidates: dict[str, Prepare] = {}
    macs: dict[str, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, subject in subjects.items():
            if gain == "graph-kernel":
                akg.check_gradients(subject.make().set_train(True), _check_images(shape))
            for label, chosen in _forms(name, setting, gain):
                model = _make(subject, name, chosen)
                if not setting.training:
                    macs[label] = trace(_deployed(subject, model, setting), (1, *shape)).macs
                del model  # made again for its own rounds: together they would fill the memory
                candidates[label] = partial(_prepare, subject, name, chosen, Path(folder))
        return bench_candidates(
            candidates,
            shape,
            batch_sizes or (1, 8),
            setting=setting,
            baseline=baseline,
            macs=macs,
            **options,
        )


def default_size(name: str) -> tuple[int, int]:
    """Return the height and width at which the paper counts and measures a network."""
    return task_of_network(name).benchmark.image_size


def create_network(name: str) -> nn.Cell:
    """Make a registered network with its post-processing."""
    task = task_of_network(name)
    return task.deployed(task.create(name))


def _by_name(name: str, input_size: tuple[int, int] | None, **arguments: Any) -> Subject:
    task = task_of_network(name)

    def make(**more: Any) -> nn.Cell:
        return task.create(name, **arguments, **more).set_train(False)

    return Subject(task, make, (3, *(input_size or task.benchmark.image_size)))


def _of_run(checkpoint: str | Path) -> Subject:
    config = run_config(checkpoint)

    def make(**more: Any) -> nn.Cell:
        kwargs = {**config.model.kwargs, **more}
        chosen = replace(config, model=replace(config.model, kwargs=kwargs))
        return restore(chosen, checkpoint)[0]

    task = get_task(config.task)
    return Subject(task, make, task.image_shape(config))


def _check_setting(setting: Setting, gain: str | None) -> None:
    for applies, said in (
        (setting.fused or gain == "fuse", "the fused form is for inference; add --no-fuse"),
        (setting.backend != "mindspore", "other back ends only infer; leave --backend out"),
        (setting.raw, "training has no post-processing; leave --raw out"),
        (setting.transfer, "a training step always copies its batch; leave --transfer out"),
    ):
        check(not (setting.training and applies), f"--training: {said}.")
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
    """Rows of a network: what they are called and what is measured for them."""
    if gain is None:
        return [(name, setting)]
    return [(name + suffix, replace(setting, **changes)) for suffix, changes in GAINS[gain]]


def _make(subject: Subject, name: str, setting: Setting) -> nn.Cell:
    if not setting.conv_impl:
        return subject.make()
    model = subject.make(conv_impl=setting.conv_impl)
    cells = (cell for _, cell in model.cells_and_names())
    check(
        any(isinstance(cell, ConvPath) for cell in cells),
        f"--gain block: {name} has no convolution path of ACmix.",
    )
    return model


def _prepare(
    subject: Subject, name: str, setting: Setting, folder: Path, images: np.ndarray
) -> Callable[[], object]:
    """Make a network in a form and return what does one batch's work; see :data:`Prepare`."""
    model = _make(subject, name, setting)
    if setting.training:
        prepare = training_step(subject.task, model)
    else:
        network = _deployed(subject, model, setting)
        if setting.fused:
            network = fuse(network)
        network.set_train(False)
        prepare = by_backend(network, setting.backend, setting.transfer, folder)
    call = prepare(images)
    return akg.compiled_by_graph_kernel(call) if setting.graph_kernel else call


def _deployed(subject: Subject, model: nn.Cell, setting: Setting) -> nn.Cell:
    """Return the network up to its post-processing, or to its raw outputs."""
    return model if setting.raw else subject.task.deployed(model)

"""Networks by name or checkpoint, measured in turns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mindspore import nn

from acmix.analysis import trace
from acmix.analysis.paper import PAPER_SPEEDS
from acmix.bench import BenchReport, bench_models
from acmix.config import RuntimeConfig
from acmix.environment import set_device
from acmix.errors import check
from acmix.models import create_model
from acmix.models.detection import create_detector, list_detectors
from acmix.recipe.workflows import WORKFLOWS
from acmix.runs import restore, run_config, run_folder
from acmix.tasks.detection import DetectionInference


def bench(
    names: Sequence[str],
    checkpoints: Sequence[str | Path] = (),
    *,
    device: str = "auto",
    input_size: tuple[int, int] | None = None,
    batch_sizes: Sequence[int] | None = None,
    **options: Any,
) -> BenchReport:
    """Measure networks by name, or the networks of finished runs, in turns.

    Detectors are measured with their post-processing.

    Args:
        names: registered models and detectors, measured with fresh weights at ``input_size``.
        checkpoints: of runs; a run's network goes by the name of its folder. All must take images
            of one size, which is measured.
        device: device target or ``auto``.
        input_size: height and width for ``names``; None for :func:`default_size`.
        batch_sizes: None for 1 and 8.
        **options: see :func:`acmix.bench.bench_models`.
    """
    check(
        not (names and checkpoints),
        "give model names or checkpoints, not both: they are measured at different sizes.",
    )
    set_device(RuntimeConfig(device=device))  # type: ignore[arg-type]  # checked by its section
    networks = {name: create_network(name) for name in names}
    shapes = {(3, *(input_size or default_size(name))) for name in names}
    for checkpoint in checkpoints:
        config = run_config(checkpoint)
        workflow = WORKFLOWS[config.task]
        shapes.add(workflow.image_shape(config))
        network = workflow.deployed(restore(config, checkpoint)[0], "mindir")
        networks[run_folder(checkpoint).name] = network
    check(
        len(shapes) == 1,
        f"the networks take images of several shapes, {sorted(shapes)}; measure them apart, or "
        "set --input-size.",
    )
    shape = shapes.pop()
    macs = {name: trace(network, (1, *shape)).macs for name, network in networks.items()}
    options.setdefault("baseline", None)
    if options["baseline"] is None and len(networks) > 1:
        options["baseline"] = next(iter(networks))
    return bench_models(networks, shape, batch_sizes or (1, 8), macs=macs, **options)


def bench_table(
    table: str, batch_sizes: Sequence[int] | None = None, **options: Any
) -> BenchReport:
    """Measure the networks of one of the paper's tables of speeds, beside its numbers.

    Args:
        table: ``detection``, Tab. 5.
        batch_sizes: None for 1.
        **options: see :func:`bench`.
    """
    rows = PAPER_SPEEDS[table]
    return bench(
        [row.name for row in rows],
        baseline={row.name: row.baseline for row in rows if row.baseline},
        published={row.name: row.printed for row in rows},
        batch_sizes=batch_sizes or (1,),
        **options,
    )


def default_size(name: str) -> tuple[int, int]:
    """Return the height and width at which the paper counts and measures a network."""
    return (800, 1333) if name in list_detectors() else (224, 224)


def create_network(name: str) -> nn.Cell:
    """Make a model, or a detector with its post-processing, by name."""
    if name in list_detectors():
        return DetectionInference(create_detector(name))
    return create_model(name)

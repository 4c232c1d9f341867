"""``acmix ablate``: train several configurations and compare them in one table.

Every row is trained, evaluated and counted separately. Images per second of all rows are measured
in interleaved rounds, so that noise of the machine affects all equally.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from mindspore import nn

from acmix import workflows
from acmix.config import Config, load_config
from acmix.errors import check
from acmix.layers.path_weights import path_weights
from acmix.tasks import get_task
from acmix.tools.ablation_report import Row, render
from acmix.tools.analysis.macs import trace
from acmix.tools.bench.candidates import bench_networks
from acmix.tools.bench.machine import machine_facts
from acmix.tools.bench.models_report import ModelsReport
from acmix.utils.files import write_text
from acmix.workflows.runs import restore

logger = logging.getLogger(__name__)


def run(
    files: Sequence[str | Path],
    output: str | Path,
    overrides: Sequence[str] = (),
    seeds: Sequence[int] = (),
    **measurement: int,
) -> list[Row]:
    """Compare configuration files and write the result; a row has the name of its file.

    Writes the runs, ``table.txt``, ``table.md`` and ``ablation.json`` with the configurations, all
    samples of the measurement and the versions. Finished runs are not trained again.

    Args:
        files: configuration files; the first is the baseline of the measurement.
        output: output folder.
        overrides: ``key=value`` for every configuration.
        seeds: see :func:`compare`.
        **measurement: ``batch_size``, ``warmup`` and ``repeats``, see :func:`compare`.

    Raises:
        UserError: two files have one name, configurations cannot be compared, or a run in
            ``output`` has another configuration.
    """
    output = Path(output)
    names = [Path(file).stem for file in files]
    check(
        len(set(names)) == len(names),
        f"configurations need different file names, got {', '.join(names)}.",
    )
    configs = {
        name: replace(load_config(file, overrides), output=str(output / name))
        for name, file in zip(names, files, strict=True)
    }
    rows, report = compare(configs, output, seeds, **measurement)
    content = {
        "rows": [row.to_dict() for row in rows],
        "configurations": {name: config.to_dict() for name, config in configs.items()},
        "measurement": json.loads(report.to_json()),
        "environment": machine_facts(),
    }
    write_text(output / "ablation.json", json.dumps(content, indent=1))
    write_text(output / "table.md", render(rows, "markdown") + "\n")
    write_text(output / "table.txt", render(rows) + "\n")
    return rows


def _check_same_run(config: Config) -> None:
    """Raise :class:`UserError` if the output folder has a run of another configuration."""
    file = Path(config.output) / "config.yaml"
    check(
        not file.is_file() or load_config(file) == config,
        f"{file} differs from the configuration asked for; choose another --output or remove "
        f"{config.output}.",
    )


def compare(
    configs: Mapping[str, Config],
    output: str | Path,
    seeds: Sequence[int] = (),
    *,
    batch_size: int = 64,
    warmup: int = 3,
    repeats: int = 15,
) -> tuple[list[Row], ModelsReport]:
    """Train or resume each configuration, and measure all.

    Args:
        configs: configurations by name of the row; the first is the baseline of the measurement.
            All must have images of one size.
        output: folder for the runs, ``output/<name>``.
        seeds: train each with each of these, in ``output/<name>/seed<S>``; all with the first seed,
            then all with the second. Without, once with its own.
        batch_size, warmup, repeats: parameters of the measurement, see
            :func:`acmix.tools.bench.candidates.bench_networks`.

    Returns:
        A row per configuration, and the measurement with all samples.
    """
    seen = {(config.task, get_task(config.task).image_shape(config)) for config in configs.values()}
    check(len(seen) == 1, f"configurations must share the task and the images' shape: {seen}.")
    task, shape = seen.pop()
    check(len(set(seeds)) == len(seeds), f"seeds: got {list(seeds)}; name each seed once.")
    planned = _runs(configs, Path(output), seeds)
    for _, config in planned:
        _check_same_run(config)
    runs: dict[str, list[_Trained]] = {name: [] for name in configs}
    models: dict[str, nn.Cell] = {}  # that of the first seed is measured
    for number, (name, config) in enumerate(planned, start=1):
        logger.info("--- %s, run %d of %d", name, number, len(planned))
        model, trained = _train(config)
        models.setdefault(name, model)
        runs[name].append(trained)
    networks = {name: get_task(task).deployed(model) for name, model in models.items()}
    traces = {name: trace(network, (1, *shape)) for name, network in networks.items()}
    macs = {name: counted.macs for name, counted in traces.items()}
    logger.info("--- measuring %s", ", ".join(networks))
    report = bench_networks(
        networks,
        shape,
        (batch_size,),
        warmup=warmup,
        repeats=repeats,
        baseline=next(iter(networks)),
        macs=macs,
    )
    fps = {timing.name: timing.fps for timing in report.timings}
    rows = [
        Row(
            name,
            tuple(run.checkpoint for run in done),
            traces[name].params,
            macs[name],
            tuple(run.metrics for run in done),
            tuple(run.path_weights for run in done),
            fps[name],
        )
        for name, done in runs.items()
    ]
    return rows, report


class _Trained(NamedTuple):
    checkpoint: str
    metrics: dict[str, float]
    path_weights: dict[str, float]


def _runs(
    configs: Mapping[str, Config], output: Path, seeds: Sequence[int]
) -> list[tuple[str, Config]]:
    """Return the name of the row and the configuration of each run, in the order of training."""
    if not seeds:
        return [(name, replace(c, output=str(output / name))) for name, c in configs.items()]
    return [
        (name, replace(config, seed=seed, output=str(output / name / f"seed{seed}")))
        for seed in seeds
        for name, config in configs.items()
    ]


def _train(config: Config) -> tuple[nn.Cell, _Trained]:
    """Train, resume, or read what is finished."""
    result = workflows.train(config, resume="auto")
    checkpoint = Path(config.output) / "checkpoints" / "last.ckpt"
    model, _ = restore(config, checkpoint)
    metrics = result.metrics or workflows.evaluate(config, checkpoint)[0].compute()
    return model, _Trained(str(checkpoint), metrics, path_weights(model))

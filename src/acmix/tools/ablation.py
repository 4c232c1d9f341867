"""``acmix ablate``: train several configurations and compare them in one table.

Every row is trained, evaluated and counted separately. Images per second of all rows are measured
in interleaved rounds, so that noise of the machine affects all equally.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from acmix import workflows
from acmix.config import Config, load_config
from acmix.environment import describe
from acmix.errors import check
from acmix.layers.path_weights import path_weights
from acmix.tasks import TASKS, get_task
from acmix.tools.analysis.macs import trace
from acmix.tools.bench.candidates import bench_networks
from acmix.tools.bench.models_report import ModelsReport
from acmix.utils.files import write_text
from acmix.utils.table import Style, render_table
from acmix.workflows.runs import restore

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Row:
    """Results of one configuration.

    Attributes:
        name: name of the row.
        checkpoint: last checkpoint of the run.
        params: number of parameters.
        macs: multiply-adds per image.
        metrics: metrics of the last epoch on the validation split.
        path_weights: learned alpha and beta by operator, see :mod:`acmix.tools.analysis.path_bias`.
        fps: images per second at the largest measured batch size.
    """

    name: str
    checkpoint: Path
    params: int
    macs: int
    metrics: dict[str, float]
    path_weights: dict[str, float]
    fps: float


def run(
    files: Sequence[str | Path],
    output: str | Path,
    overrides: Sequence[str] = (),
    **measurement: int,
) -> list[Row]:
    """Compare configuration files and write the result; a row has the name of its file.

    Writes the runs, ``table.txt``, ``table.md`` and ``ablation.json`` with the configurations, all
    samples of the measurement and the versions. Finished runs are not trained again.

    Args:
        files: configuration files; the first is the baseline of the measurement.
        output: output folder.
        overrides: ``key=value`` for every configuration.
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
    for config in configs.values():
        _check_same_run(config)
    rows, report = compare(configs, output, **measurement)
    content = {
        "rows": [asdict(row) | {"checkpoint": str(row.checkpoint)} for row in rows],
        "configurations": {name: config.to_dict() for name, config in configs.items()},
        "measurement": json.loads(report.to_json()),
        "environment": describe(),
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
    *,
    batch_size: int = 64,
    warmup: int = 3,
    repeats: int = 15,
) -> tuple[list[Row], ModelsReport]:
    """Train or resume each configuration in ``output/<name>``, and measure all.

    Args:
        configs: configurations by name of the row; the first is the baseline of the measurement.
            All must have images of one size.
        output: folder for the runs.
        batch_size, warmup, repeats: parameters of the measurement, see
            :func:`acmix.tools.bench.candidates.bench_networks`.

    Returns:
        A row per configuration, and the measurement with all samples.
    """
    seen = {(config.task, get_task(config.task).image_shape(config)) for config in configs.values()}
    check(len(seen) == 1, f"configurations must share the task and the images' shape: {seen}.")
    task, shape = seen.pop()
    finished = {}
    for name, config in configs.items():
        config = replace(config, output=str(Path(output) / name))
        logger.info("--- %s", name)
        result = workflows.train(config, resume="auto")
        checkpoint = Path(config.output) / "checkpoints" / "last.ckpt"
        model, _ = restore(config, checkpoint)
        metrics = result.metrics or workflows.evaluate(config, checkpoint)[0].compute()
        finished[name] = (model, checkpoint, metrics)
    networks = {name: get_task(task).deployed(model) for name, (model, _, _) in finished.items()}
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
            checkpoint,
            traces[name].params,
            macs[name],
            metrics,
            path_weights(model),
            fps[name],
        )
        for name, (model, checkpoint, metrics) in finished.items()
    ]
    return rows, report


def render(rows: list[Row], style: Style = "text") -> str:
    """Render rows as a table, with the range of alpha and beta over the operators."""
    titles = {key: title for task in TASKS.values() for key, title in task.headline.items()}
    metric, title = next((key, title) for key, title in titles.items() if key in rows[0].metrics)
    header = ["configuration", "params", "MMACs", title, "images/s", "alpha", "beta"]
    cells = [
        [
            row.name,
            f"{row.params:,}",
            f"{row.macs / 1e6:.2f}",
            f"{row.metrics[metric]:.4f}",
            f"{row.fps:.0f}",
            _range(row.path_weights, "alpha"),
            _range(row.path_weights, "beta"),
        ]
        for row in rows
    ]
    return render_table(header, cells, style)


def _range(weights: Mapping[str, float], path: str) -> str:
    values = [value for name, value in weights.items() if name.rpartition(".")[2] == path]
    if not values:
        return "-"
    return f"{min(values):.2f} to {max(values):.2f}"

"""Train several configurations and set them side by side in one table.

Every row is trained, evaluated and counted on its own; the frames per second of all rows are
measured in turns in one run, so that the noise of the machine is the same for all.
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
from acmix.tools.bench.models import bench_models
from acmix.tools.bench.report import BenchReport
from acmix.utils.files import write_text
from acmix.utils.table import Style, render_table
from acmix.workflows.runs import restore

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Row:
    """What one configuration came to.

    Attributes:
        name: of the row.
        checkpoint: the last one of the run.
        params, macs: of the model, multiply-adds per image.
        metrics: of the last epoch, on the validation split.
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
    """Compare configuration files, each a row by the name of its file, and write down the result.

    ``output`` then holds the runs, ``table.txt``, ``table.md`` and ``ablation.json`` with the
    configurations, all samples of the measurement and the versions. What is there already is not
    trained again.

    Args:
        files: configurations; the first is the baseline of the measurement.
        output: folder.
        overrides: ``key=value``, applied to every configuration.
        **measurement: ``batch_size``, ``warmup`` and ``repeats``, see :func:`compare`.

    Raises:
        UserError: two files of one name, configurations that cannot be compared, or a run in
            ``output`` that was made with another configuration.
    """
    output = Path(output)
    names = [Path(file).stem for file in files]
    check(
        len(set(names)) == len(names),
        f"configurations are told apart by the names of their files, got {', '.join(names)}.",
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
    """Refuse to show what was trained otherwise under a configuration's name."""
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
) -> tuple[list[Row], BenchReport]:
    """Train each configuration into ``output/<name>``, resuming what is there, and measure all.

    Args:
        configs: by the name of the row; the first is the baseline of the measurement. They must
            see images of one size.
        output: folder for the runs.
        batch_size, warmup, repeats: of the measurement, see
            :func:`acmix.tools.bench.models.bench_models`.

    Returns:
        A row per configuration, and the measurement with all its samples.
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
    report = bench_models(
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
    """Render rows as a table; alpha and beta as their range over the operators."""
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

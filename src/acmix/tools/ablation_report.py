"""What ``acmix ablate`` found: a row for each configuration, with the results of its seeds."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from acmix.errors import check
from acmix.tasks import TASKS
from acmix.tools.analysis.paper import ABLATIONS
from acmix.tools.analysis.path_bias import path_biases
from acmix.tools.analysis.plots import plot_path_biases_of
from acmix.tools.bench.machine import machine_phrase
from acmix.tools.saved_results import parsing
from acmix.utils.table import Style, render_table


@dataclass(frozen=True)
class Row:
    """Results of one configuration.

    Attributes:
        name: name of the row.
        checkpoints: last checkpoint of each run; there is one run for each seed.
        params: number of parameters.
        macs: multiply-adds per image.
        metrics: metrics of the last epoch on the validation split, of each run.
        path_weights: learned alpha and beta by operator of each run, see
            :mod:`acmix.tools.analysis.path_bias`.
        fps: images per second at the largest measured batch size.
    """

    name: str
    checkpoints: Sequence[str]
    params: int
    macs: int
    metrics: Sequence[Mapping[str, float]]
    path_weights: Sequence[Mapping[str, float]]
    fps: float

    def mean(self, metric: str) -> float:
        """Return the mean of a metric over the seeds."""
        return statistics.fmean(run[metric] for run in self.metrics)

    def deviation(self, metric: str) -> float:
        """Return the standard deviation of one run; 0 for a single seed."""
        values = [run[metric] for run in self.metrics]
        return statistics.stdev(values) if len(values) > 1 else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the row for JSON, with mean and deviation of every metric."""
        summary = {
            metric: {"mean": self.mean(metric), "deviation": self.deviation(metric)}
            for metric in self.metrics[0]
        }
        return asdict(self) | {"summary": summary}

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Row:
        """Read what :meth:`to_dict` returned."""
        return cls(**{name: content[name] for name in cls.__dataclass_fields__})


def read_rows(text: str) -> tuple[list[Row], str]:
    """Return the rows of an ``ablation.json`` and the machine of their run.

    Raises:
        UserError: ``text`` is no such file.
    """
    with parsing("this is no ablation.json of 'acmix ablate'"):
        content = json.loads(text)
        rows = [Row.from_dict(row) for row in content["rows"]]
        machine = machine_phrase(content["environment"])
        render(rows)
        return rows, machine


def render(rows: Sequence[Row], style: Style = "text") -> str:
    """Render rows as a table, with the range of alpha and beta over operators and seeds.

    Configurations of the paper's Tab. 6 and Tab. 7 have its top-1 on ImageNet beside their own.
    """
    titles = {key: title for task in TASKS.values() for key, title in task.headline.items()}
    metric, title = next((key, title) for key, title in titles.items() if key in rows[0].metrics[0])
    header = ["configuration", "params", "MMACs", title, "images/s", "alpha", "beta"]
    cells = [
        [
            row.name,
            f"{row.params:,}",
            f"{row.macs / 1e6:.2f}",
            _spread(row, metric),
            f"{row.fps:.0f}",
            _range(row.path_weights, "alpha"),
            _range(row.path_weights, "beta"),
        ]
        for row in rows
    ]
    if metric == "top1" and any(row.name in ABLATIONS for row in rows):
        header.append("the paper's, ImageNet")
        for line, row in zip(cells, rows, strict=True):
            line.append(ABLATIONS.get(row.name, ""))
    return render_table(header, cells, style)


def plot(rows: Sequence[Row], target: str | Path) -> None:
    """Draw the path weights of the rows that have both paths and learn, over depth, as Fig. 5 does.

    Raises:
        UserError: there is no such row.
    """
    learned = {
        row.name: {f"run {i}": path_biases(run) for i, run in enumerate(row.path_weights)}
        for row in rows
        if any(weight != 1 for run in row.path_weights for weight in run.values())
    }
    both = {name: runs for name, runs in learned.items() if all(runs.values())}
    names = ", ".join(row.name for row in rows)
    check(bool(both), f"--plot: none of {names} has both paths and learns their weights.")
    plot_path_biases_of(both, target)


def _spread(row: Row, metric: str) -> str:
    mean = f"{row.mean(metric):.4f}"
    count = len(row.metrics)
    return mean if count == 1 else f"{mean} ± {row.deviation(metric):.4f} ({count} seeds)"


def _range(runs: Sequence[Mapping[str, float]], path: str) -> str:
    values = [
        value
        for weights in runs
        for name, value in weights.items()
        if name.rpartition(".")[2] == path
    ]
    if not values:
        return "-"
    return f"{min(values):.2f} to {max(values):.2f}"

"""Pictures of a training run; matplotlib is used without its global state or a display."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from acmix.errors import UserError, check
from acmix.utils.files import publish, staging_folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LARGEST_MATRIX_WITH_NUMBERS = 20


def plot_training_curve(
    metrics_file: str | Path, target: str | Path, metrics: Sequence[str] = ("top1", "top5")
) -> None:
    """Plot loss, learning rate and validation metrics of a run over its steps.

    Args:
        metrics_file: ``metrics.jsonl`` of a run folder: one object per line with ``step``,
            ``loss``, ``lr`` and, on some lines, validation metrics.
        target: Picture to write; its suffix names the format.
        metrics: Names of the metrics to draw; those that never occur are left out.

    Raises:
        UserError: The file is missing, is not JSON lines, or holds no loss.
    """
    records = read_records(Path(metrics_file))
    series = {name: _series(records, name) for name in ("loss", "lr", *metrics)}
    check(bool(series["loss"]), f"metrics file: {metrics_file} holds no 'step' with a 'loss'.")
    drawn = [name for name in metrics if series[name]]

    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.5), layout="constrained")
    loss, rate, *rest = figure.subplots(1, 3 if drawn else 2)
    _draw(loss, "loss", series["loss"])
    _draw(rate, "learning rate", series["lr"])
    for axes in rest:
        for name in drawn:
            _draw(axes, "validation", series[name], label=name)
        axes.legend()
    save_figure(figure, Path(target))


def plot_confusion_matrix(
    matrix: np.ndarray, classes: Sequence[str], target: str | Path, title: str = ""
) -> None:
    """Draw a confusion matrix; colours are shares of a row, numbers are counts.

    Args:
        matrix: Counts (K, K): rows are true classes, columns predicted ones.
        classes: The K names.
        target: Picture to write; its suffix names the format.
        title: Text above the picture.

    Raises:
        UserError: ``matrix`` is not (K, K) for the K classes.
    """
    matrix = np.asarray(matrix)
    count = len(classes)
    check(
        matrix.shape == (count, count),
        f"matrix: shape {matrix.shape} does not fit {count} classes; give ({count}, {count}).",
    )
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)

    from matplotlib.figure import Figure

    side = min(4 + 0.35 * count, 24)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(title=title, xlabel="predicted", ylabel="true")
    axes.set_xticks(range(count), classes, rotation=90)
    axes.set_yticks(range(count), classes)
    if count <= _LARGEST_MATRIX_WITH_NUMBERS:
        for row, column in np.argwhere(matrix):
            color = "white" if shares[row, column] > 0.5 else "black"
            text = str(matrix[row, column])
            axes.text(column, row, text, ha="center", va="center", color=color)
    save_figure(figure, Path(target))


def read_records(path: Path) -> list[dict]:
    """Read the lines of a ``metrics.jsonl``; raise UserError if it is missing or damaged."""
    check(path.is_file(), f"metrics file: {path} does not exist; it is written by 'acmix train'.")
    lines = path.read_text(encoding="utf-8").splitlines()
    records = []
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
        except ValueError as error:
            # The last line of a killed run may be half of one.
            if number == len(lines):
                break
            raise UserError(f"metrics file: line {number} of {path} is not JSON.") from error
        check(isinstance(record, dict), f"metrics file: line {number} of {path} is not an object.")
        records.append(record)
    return records


def _series(records: list[dict], name: str) -> list[tuple[float, float]]:
    return [(record["step"], record[name]) for record in records if {"step", name} <= record.keys()]


def _draw(axes, title: str, points: list[tuple[float, float]], label: str | None = None) -> None:
    steps, values = zip(*points, strict=True) if points else ((), ())
    # A curve of one point would be invisible without a marker.
    axes.plot(steps, values, marker="o" if len(points) < 30 else None, label=label, markersize=3)
    axes.set(title=title, xlabel="step")
    axes.grid(alpha=0.3)


def save_figure(figure: Figure, target: Path) -> None:
    """Write a figure in one step; raise UserError for an unknown format."""
    with staging_folder(target.parent) as folder:
        staged = folder / target.name
        try:
            figure.savefig(staged, dpi=120)
        except ValueError as error:
            raise UserError(f"picture: {target} cannot be written: {error}") from error
        publish(staged, target)

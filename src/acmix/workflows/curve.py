"""Plot the training curve of a run."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from acmix.errors import UserError, check
from acmix.utils.figures import save_figure
from acmix.utils.reading import read_bytes

_MAX_BYTES = 2**30  # a hundred times what 300 epochs of ImageNet write


def plot_training_curve(
    metrics_file: str | Path, target: str | Path, metrics: Sequence[str]
) -> None:
    """Plot loss, learning rate and validation metrics of a run over its steps.

    Args:
        metrics_file: ``metrics.jsonl`` of a run folder: one object per line with ``step``,
            ``loss``, ``lr`` and, on some lines, validation metrics.
        target: picture to write; the suffix selects the format.
        metrics: names of the metrics to plot; absent ones are skipped.

    Raises:
        UserError: the file is missing, is not JSON lines, or contains no loss.
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


def read_records(path: Path) -> list[dict[str, Any]]:
    """Read the lines of a ``metrics.jsonl``; raise UserError if it is missing or damaged."""
    check(path.is_file(), f"metrics file: {path} does not exist; it is written by 'acmix train'.")
    lines = read_bytes(path, _MAX_BYTES).decode(errors="replace").splitlines()
    records = []
    for number, line in enumerate(lines, start=1):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            # A killed run may leave an incomplete last line.
            if number == len(lines):
                break
            raise UserError(f"metrics file: line {number} of {path} is not JSON.") from error
        check(isinstance(record, dict), f"metrics file: line {number} of {path} is not an object.")
        records.append(record)
    return records


def _series(records: list[dict[str, Any]], name: str) -> list[tuple[float, float]]:
    """Return step and value of the records that have both as numbers; null is NaN."""
    points = [
        (_number(record["step"]), _number(record[name]))
        for record in records
        if {"step", name} <= record.keys()
    ]
    return [(step, value) for step, value in points if step is not None and value is not None]


def _number(value: Any) -> float | None:
    if value is None:
        return math.nan
    try:
        return float(value) if type(value) in (int, float) else None
    except OverflowError:  # an integer of more than 308 digits
        return None


def _draw(
    axes: Any, title: str, points: list[tuple[float, float]], label: str | None = None
) -> None:
    steps, values = zip(*points, strict=True) if points else ((), ())
    # A single point is invisible without a marker.
    axes.plot(steps, values, marker="o" if len(points) < 30 else None, label=label, markersize=3)
    axes.set(title=title, xlabel="step")
    axes.grid(alpha=0.3)

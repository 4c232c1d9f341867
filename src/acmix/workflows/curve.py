"""Plot the training curve of a run."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from acmix.engine.objective import VALIDATION_LOSS
from acmix.errors import UserError, check
from acmix.utils.figures import save_figure
from acmix.utils.reading import read_bytes

_MAX_BYTES = 2**30  # a hundred times what 300 epochs of ImageNet write


def plot_training_curve(
    metrics_file: str | Path, target: str | Path, headline: Mapping[str, str]
) -> None:
    """Plot losses, learning rate and validation metrics of a run over its steps.

    The first metric that the run has chooses the best step, which is marked.

    Args:
        metrics_file: ``metrics.jsonl`` of a run folder: one object per line with ``step``,
            ``loss``, ``lr`` and, on some lines, validation metrics.
        target: picture to write; the suffix selects the format.
        headline: titles of the metrics to plot, by name; absent ones are skipped.

    Raises:
        UserError: the file is missing, is not JSON lines, or contains no loss.
    """
    records = read_records(Path(metrics_file))
    names = ("loss", VALIDATION_LOSS, "lr", *headline)
    series = {name: _series(records, name) for name in names}
    check(bool(series["loss"]), f"metrics file: {metrics_file} holds no 'step' with a 'loss'.")
    drawn = [name for name in headline if series[name]]
    best = best_record(records, drawn[0]) if drawn else None

    from matplotlib.figure import Figure

    figure = Figure(figsize=(4 + 4.5 * (1 + bool(drawn)), 3.8), layout="constrained")
    losses, *scores, rate = figure.subplots(1, 2 + bool(drawn))
    _draw(losses, "loss", series["loss"], "training")
    if series[VALIDATION_LOSS]:
        _draw(losses, "loss", series[VALIDATION_LOSS], "validation")
        losses.legend()
    for axes in scores:
        for name in drawn:
            _draw(axes, "validation", series[name], headline[name])
        if best is not None:
            step, score = best["step"], best[drawn[0]]
            label = f"best: {headline[drawn[0]]} {score:.4f} at {place_of(best)}"
            axes.plot(step, score, marker="*", color="black", markersize=12, linestyle="none",
                      label=label)  # fmt: skip
        axes.legend()
    if best is not None:
        losses.axvline(best["step"], color="black", linewidth=0.8, linestyle=":")
    _draw(rate, "learning rate", series["lr"])
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


def best_record(records: list[dict[str, Any]], name: str) -> dict[str, Any] | None:
    """Return the first record with the largest value of a metric; None if none is a number."""
    known = [r for r in records if _is_finite(r.get("step")) and _is_finite(r.get(name))]
    return max(known, key=lambda record: record[name], default=None)


def place_of(record: dict[str, Any]) -> str:
    """Return the epoch that ends with a record, or its step."""
    epoch = _number(record.get("epoch"))
    return f"epoch {epoch:.0f}" if epoch and epoch % 1 == 0 else f"step {record['step']:.0f}"


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


def _is_finite(value: Any) -> bool:
    number = _number(value)
    return number is not None and math.isfinite(number)


def _draw(
    axes: Any, title: str, points: list[tuple[float, float]], label: str | None = None
) -> None:
    steps, values = zip(*points, strict=True) if points else ((), ())
    # A single point is invisible without a marker.
    axes.plot(steps, values, marker="o" if len(points) < 30 else None, label=label, markersize=3)
    axes.set(title=title, xlabel="step")
    axes.grid(alpha=0.3)

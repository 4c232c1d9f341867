"""Plots of path weights over depth and epochs, and of published scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from acmix.errors import check
from acmix.tools.analysis.counts import Count
from acmix.tools.analysis.paper import PaperNetwork
from acmix.tools.analysis.path_bias import PathBias, check_comparable, path_biases
from acmix.tools.saved_results import parsing
from acmix.utils.figures import save_figure
from acmix.workflows.curve import read_records


def plot_path_biases(runs: Mapping[str, Sequence[PathBias]], target: str | Path) -> None:
    """Draw :func:`plot_path_biases_of` one model.

    Args:
        runs: operators of one model in order of depth, by name of the run.
        target: Picture to write; its suffix names the format.

    Raises:
        UserError: the runs are not of one model, or have no operator with both paths.
    """
    plot_path_biases_of({"": runs}, target)


def plot_path_biases_of(
    models: Mapping[str, Mapping[str, Sequence[PathBias]]], target: str | Path
) -> None:
    """Draw alpha, beta and log(alpha / beta) over depth, as Fig. 5 (Sec. 5.4) does.

    A line is the mean over a model's runs, its band plus and minus one standard deviation. Each run
    is a row of dots. Depths without any ratio stay empty.

    Args:
        models: by name of the model, the operators of its runs as :func:`plot_path_biases` takes
            them. Several models have a legend.
        target: Picture to write; its suffix names the format.

    Raises:
        UserError: the runs of a model have other operators than one another, or none with both
            paths.
    """
    for runs in models.values():
        check_comparable(runs)

    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.5), layout="constrained")
    for axes, (title, name) in zip(
        figure.subplots(1, 3),
        (("alpha (attention)", "alpha"), ("beta (convolution)", "beta"),
         ("log(alpha / beta)", "log_ratio")),
        strict=True,
    ):  # fmt: skip
        for number, (model, runs) in enumerate(models.items()):
            values = [[getattr(bias, name) for bias in biases] for biases in runs.values()]
            _draw_over_depth(axes, np.array(values), f"C{number}", model)
        axes.set(title=title, xlabel="depth of the operator")
        axes.grid(alpha=0.3)
        if len(models) > 1:
            axes.legend()
    save_figure(figure, Path(target))


def _draw_over_depth(axes: Any, values: np.ndarray, color: str, label: str) -> None:
    """Draw values (runs, depth)."""
    depth = np.arange(1, values.shape[1] + 1)
    known = np.ma.masked_invalid(values)
    mean, spread = known.mean(axis=0), known.std(axis=0)
    axes.plot(depth, mean.filled(np.nan), marker="o", markersize=3, color=color, label=label)
    axes.fill_between(depth, (mean - spread).filled(np.nan), (mean + spread).filled(np.nan),
                      alpha=0.2, color=color)  # fmt: skip
    for row in values:
        axes.plot(depth, row, ".", color="grey" if not label else color, markersize=3)


def plot_path_curves(metrics_files: Mapping[str, str | Path], target: str | Path) -> None:
    """Draw alpha and beta of each operator over the epochs, one row of plots per run.

    Args:
        metrics_files: ``metrics.jsonl`` by name of the run.
        target: Picture to write; its suffix names the format.

    Raises:
        UserError: a file is missing, is not JSON lines, or holds no weights of two paths.
    """
    runs = {name: _curves(Path(file)) for name, file in metrics_files.items()}

    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.2 * len(runs)), layout="constrained")
    grid = figure.subplots(len(runs), 2, squeeze=False)
    for row, (name, (epochs, biases)) in zip(grid, runs.items(), strict=True):
        count = len(biases[0])
        for axes, path in zip(row, ("alpha", "beta"), strict=True):
            for index in range(count):
                values = [getattr(bias[index], path) for bias in biases]
                # From dark to bright with the depth of the operator.
                color = _depth_color(index / max(count - 1, 1))
                axes.plot(epochs, values, color=color, marker=".", label=biases[0][index].operator)
            axes.set(title=f"{name}: {path}", xlabel="epoch")
            axes.grid(alpha=0.3)
        if count <= 12:
            row[1].legend(fontsize=6)
    save_figure(figure, Path(target))


def plot_scores(rows: Sequence[PaperNetwork], counts: Sequence[Count], target: str | Path) -> None:
    """Draw published scores over our multiply-adds and parameters, a line per family (Fig. 4).

    Args:
        rows: networks with a score.
        counts: of these; rows without a count are left out.
        target: picture to write; its suffix names the format.

    Raises:
        UserError: no counted row has a score.
    """
    by_name = {count.name: count for count in counts}
    families: dict[str, list[PaperNetwork]] = {}
    for row in rows:
        if row.score and row.name in by_name:
            families.setdefault(_family(row.label), []).append(row)
    check(bool(families), "--plot: this table has no published scores to draw.")

    from matplotlib import colormaps
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    colours = colormaps["tab20"].colors  # type: ignore[attr-defined]  # of a listed map
    figure = Figure(figsize=(12, 5.5), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (title, unit) in zip(
        panels, (("macs", "multiply-adds, G"), ("params", "parameters, M")), strict=True
    ):
        for index, (family, members) in enumerate(families.items()):
            scale = 1e9 if title == "macs" else 1e6
            points = sorted(
                (getattr(by_name[row.name], title) / scale, float(row.score)) for row in members
            )
            ours = "ACmix" in family
            axes.plot(
                *zip(*points, strict=True), label=family, color=colours[index % len(colours)],
                marker="*" if ours else "o", markersize=11 if ours else 5,
                linestyle="-" if ours else "--", linewidth=2 if ours else 1,
            )  # fmt: skip
        axes.set(xlabel=f"{unit} (counted here)", xscale="log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.grid(alpha=0.3)
    panels[0].set(ylabel="top-1, % (published, not ours)")
    panels[1].legend(fontsize=7, loc="lower right", ncols=2)
    save_figure(figure, Path(target))


def _family(label: str) -> str:
    """Return a label without its size, the last word or what follows the last dash."""
    words = label.split(" ")
    return " ".join(words[:-1]) if len(words) > 1 else label.rpartition("-")[0]


def _curves(metrics_file: Path) -> tuple[list[float], list[list[PathBias]]]:
    epochs, biases = [], []
    for record in read_records(metrics_file):
        weights = record.get("scalars")
        if weights:
            with parsing(f"{metrics_file}: 'epoch' and 'scalars' must be numbers"):
                epochs.append(float(record["epoch"]))
                biases.append(path_biases({name: float(weights[name]) for name in weights}))
    check(
        bool(biases) and bool(biases[0]),
        f"{metrics_file} holds no weights of two paths; they are logged by 'acmix train' for an "
        "ACmix model at the ends of epochs, or every train.eval_steps steps.",
    )
    names = [[bias.operator for bias in epoch] for epoch in biases]
    check(
        all(operators == names[0] for operators in names),
        f"{metrics_file} holds epochs of different models.",
    )
    return epochs, biases


def _depth_color(share: float) -> tuple[float, ...]:
    from matplotlib import colormaps

    return colormaps["viridis"](0.9 * share)

"""Pictures of confusion matrices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from acmix.errors import check
from acmix.utils.figures import save_figure
from acmix.utils.fonts import drawable
from acmix.utils.text import shorten

_WITH_PERCENTAGES = 20
"""Largest number of classes whose cells have room for a number."""
_WITH_NAMES = 120
"""Largest number of classes whose names are legible beside the matrix."""
_CELLS = 250
"""Largest number of cells along a side of the picture."""
_PAIRS = 25
_LONGEST_NAME = 24


def plot_confusion_matrix(
    matrix: np.ndarray, classes: Sequence[str], target: str | Path, title: str = ""
) -> None:
    """Draw a confusion matrix: each row in percent of its class, and the most confused pairs.

    Colours grow with the square root of the share, so that a rare confusion shows. Percentages are
    written where there is room for them, names of the classes up to about a hundred.

    Args:
        matrix: counts (K, K): rows are true classes, columns predicted ones.
        classes: the K class names.
        target: picture to write; the suffix selects the format.
        title: text above the picture.

    Raises:
        UserError: ``matrix`` does not have shape (K, K).
    """
    matrix = np.asarray(matrix)
    count = len(classes)
    check(
        matrix.shape == (count, count),
        f"matrix: shape {matrix.shape} does not fit {count} classes; give ({count}, {count}).",
    )
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = float(np.clip(3 + 0.32 * count, 5, 14 if count <= _WITH_NAMES else 10))
    names = [item.text for item in drawable(classes)]

    from matplotlib.colors import PowerNorm
    from matplotlib.figure import Figure

    figure = Figure(figsize=(side + 6.5, side), layout="constrained")
    figure.suptitle(title)
    axes, text = figure.subplots(1, 2, width_ratios=(side, 5))
    scale = PowerNorm(0.5, vmin=0, vmax=1)
    blocks, width = _largest_of_blocks(shares)
    image = axes.imshow(
        blocks, cmap="Blues", norm=scale, interpolation="nearest",
        extent=(-0.5, width * len(blocks) - 0.5, width * len(blocks) - 0.5, -0.5),
    )  # fmt: skip
    _label_axes(axes, names, width, side)
    if count <= _WITH_PERCENTAGES:
        _write_percentages(axes, shares, scale)
    ticks = (0, 0.01, 0.1, 0.25, 0.5, 0.75, 1)
    shown = figure.colorbar(image, ax=axes, shrink=0.6, aspect=30, label="share of the true class")
    shown.set_ticks(ticks, labels=[f"{100 * tick:.0f} %" for tick in ticks])
    text.set_axis_off()
    for line, pair in enumerate(confused_pairs(matrix, names)):  # each in a font that has its names
        text.text(0, 1 - 0.19 * (line + 1.5 * bool(line)) / side, pair, va="top", fontsize=9)
    save_figure(figure, Path(target))


def confused_pairs(matrix: np.ndarray, names: Sequence[str], limit: int = _PAIRS) -> list[str]:
    """Return a title and the confusions with the largest counts, a line each.

    Args:
        matrix: counts (K, K), see :func:`plot_confusion_matrix`.
        names: of the K classes; where they are not beside the matrix, a number tells the place.
        limit: largest number of confusions.
    """
    wrong = np.where(np.eye(len(names), dtype=bool), 0, matrix)
    order = np.argsort(-wrong, axis=None, kind="stable")[:limit]
    pairs = [divmod(int(place), len(names)) for place in order]
    totals = matrix.sum(axis=1)
    lines = [
        f"{100 * wrong[true, found] / totals[true]:3.0f} % ({wrong[true, found]} of "
        f"{totals[true]})  {_name(names, true)} as {_name(names, found)}"
        for true, found in pairs
        if wrong[true, found]
    ]
    return ["Most confused, with the share of the true class", *(lines or ["none"])]


def _largest_of_blocks(shares: np.ndarray) -> tuple[np.ndarray, int]:
    """Return the largest share of each block of classes, and the classes of a block.

    A block is one class where all have room. Else a single confusion would be less than a pixel.
    """
    count = len(shares)
    width = -(-count // _CELLS)
    padded = np.pad(shares, (0, -count % width))
    blocks = padded.reshape(len(padded) // width, width, -1, width)
    return blocks.max(axis=(1, 3)), width


def _label_axes(axes: Any, names: Sequence[str], width: int, side: float) -> None:
    """Write the names beside the matrix, or numbers where they have no room."""
    if len(names) > _WITH_NAMES:
        cell = f"; a cell is the largest share of {width} x {width} classes" if width > 1 else ""
        axes.set(xlabel="predicted: number of the class" + cell, ylabel="true: number of the class")
        return
    size = float(np.clip(45 * (side - 2) / len(names), 5, 10))
    axes.set(xlabel="predicted", ylabel="true")
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=size)
    axes.set_yticks(range(len(names)), names, fontsize=size)


def _name(names: Sequence[str], label: int) -> str:
    name = shorten(names[label], _LONGEST_NAME)
    return name if len(names) <= _WITH_NAMES else f"{label} {name}"


def _write_percentages(axes: Any, shares: np.ndarray, scale: Any) -> None:
    for row, column in np.argwhere(shares):
        share = shares[row, column]
        color = "white" if scale(share) > 0.6 else "black"
        label = f"{100 * share:.0f}" if share >= 0.005 else "<1"
        axes.text(column, row, label, ha="center", va="center", color=color, fontsize=9)

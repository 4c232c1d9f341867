"""Draw confusion matrices."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from acmix.errors import check
from acmix.utils.figures import save_figure
from acmix.utils.fonts import drawable

_LARGEST_MATRIX_WITH_NUMBERS = 20


def plot_confusion_matrix(
    matrix: np.ndarray, classes: Sequence[str], target: str | Path, title: str = ""
) -> None:
    """Draw a confusion matrix; colours are fractions of a row, numbers are counts.

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

    from matplotlib.figure import Figure

    side = min(4 + 0.35 * count, 24)
    figure = Figure(figsize=(side, side), layout="constrained")
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set(title=title, xlabel="predicted", ylabel="true")
    names = [item.text for item in drawable(classes)]
    axes.set_xticks(range(count), names, rotation=90)
    axes.set_yticks(range(count), names)
    if count <= _LARGEST_MATRIX_WITH_NUMBERS:
        for row, column in np.argwhere(matrix):
            color = "white" if shares[row, column] > 0.5 else "black"
            text = str(matrix[row, column])
            axes.text(column, row, text, ha="center", va="center", color=color)
    save_figure(figure, Path(target))

"""Pictures of attention: which pixels contribute to a query, for each head."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from acmix.utils.figures import save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLUMNS = 4
_NOISE = 1e-6
"""Share below which a negative weight is a rounding error."""


class Reach(NamedTuple):
    """Rows and columns of a map, the ends excluded."""

    top: int
    left: int
    bottom: int
    right: int


def reach(shares: np.ndarray) -> Reach | None:
    """Return the part of a map that a query attends to: its window or its neighbourhood.

    Args:
        shares: (N, H', W'), exactly 0 where there is no attention.

    Returns:
        The smallest rectangle that holds all other pixels; None if it is the whole map.
    """
    rows, columns = (np.flatnonzero(shares.any(axis=axes)) for axes in ((0, 2), (0, 1)))
    if not rows.size:
        return None
    found = Reach(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)
    return None if found == (0, 0, *shares.shape[1:]) else found


def plot_attention(
    image: np.ndarray,
    query: tuple[int, int],
    shares: np.ndarray,
    target: str | Path,
    title: str = "",
    found: str = "",
) -> None:
    """Draw the attention map of a pixel, their mean and one for each head, over the image.

    Each map has its own range of colours, which its title tells in percent of the whole. A frame
    shows the window or neighbourhood, see :func:`reach`.

    Args:
        image: (H, W, C) for one or three channels, 0 to 1.
        query: row and column of the pixel, marked by a cross.
        shares: (N, H', W') from :func:`acmix.tools.analysis.attention.attention_shares`.
        target: Picture to write; its suffix names the format.
        title: Text above the picture.
        found: Text above the image: what the network predicts.
    """
    save_figure(attention_figure(image, query, shares, title, found), Path(target))


def attention_figure(
    image: np.ndarray, query: tuple[int, int], shares: np.ndarray, title: str, found: str
) -> Figure:
    """Return the figure that :func:`plot_attention` writes."""
    from matplotlib.figure import Figure

    maps, size = list(_maps(shares)), (image.shape[0], image.shape[1])
    columns = min(len(maps) + 1, _COLUMNS)
    rows = ceil((len(maps) + 1) / columns)
    figure = Figure(figsize=(2.6 * columns, 2.8 * rows), layout="constrained")
    figure.suptitle(title, fontsize=9)
    grid = figure.subplots(rows, columns, squeeze=False).flatten()
    for axes in grid:
        axes.set_axis_off()
    for axes, content in zip(grid, (None, *maps), strict=False):
        axes.imshow(
            image.squeeze() if content is None else image.mean(axis=2), "gray", vmin=0, vmax=1
        )
        axes.plot(query[1], query[0], "x", color="red")
        if content is None:
            axes.set_title(found or "query", fontsize=8)
        else:
            axes.set_title(f"{content[0]}: {_range(content[1])}", fontsize=8)
            _draw_map(figure, axes, content[1], size)
        _frame(axes, reach(shares), shares.shape[1:], size)
    return figure


def _maps(shares: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    if len(shares) > 1:
        yield "mean", shares.mean(axis=0)
    for number, share in enumerate(shares, start=1):
        yield f"head {number}", share


def _range(share: np.ndarray) -> str:
    return f"{100 * share.min():.3g} to {100 * share.max():.3g} %"


def _draw_map(figure: Figure, axes: Any, share: np.ndarray, size: tuple[int, int]) -> None:
    extent = (-0.5, size[1] - 0.5, size[0] - 0.5, -0.5)
    limits = {"cmap": "viridis", "vmin": share.min(), "vmax": share.max()}
    if share.min() < -_NOISE:  # modes without a softmax
        limits = {"cmap": "coolwarm", "vmin": -abs(share).max(), "vmax": abs(share).max()}
    shown = axes.imshow(share, extent=extent, alpha=0.7, **limits)
    figure.colorbar(shown, ax=axes, shrink=0.7)


def _frame(axes: Any, reached: Reach | None, side: tuple[int, ...], size: tuple[int, int]) -> None:
    """Draw the outline of a part of the map on the image."""
    if reached is None:
        return
    from matplotlib.patches import Rectangle

    height, width = size[0] / side[0], size[1] / side[1]
    corner = (reached.left * width - 0.5, reached.top * height - 0.5)
    wide, high = (reached.right - reached.left) * width, (reached.bottom - reached.top) * height
    axes.add_patch(Rectangle(corner, wide, high, fill=False, edgecolor="red", linewidth=1.2))

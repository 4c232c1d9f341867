"""Tables in Markdown and as aligned text."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal

from acmix.utils.text import printable

Style = Literal["text", "markdown"]
STYLES: tuple[Style, ...] = ("text", "markdown")


def render_table(
    header: Sequence[str],
    rows: Sequence[Sequence[object]],
    style: Style = "text",
    left: Collection[int] = (0,),
) -> str:
    """Render ``rows`` under ``header``; the first column is a name, the others align right.

    Args:
        header: titles of the columns.
        rows: one sequence per line, each as long as ``header``.
        style: ``"text"`` aligns for a terminal, ``"markdown"`` gives a GitHub table.
        left: indices of the columns that align left.
    """
    cells = [[printable(cell) for cell in row] for row in rows]
    if style == "markdown":
        alignment = ["---" if column in left else "---:" for column in range(len(header))]
        escaped = [[cell.replace("|", "\\|") for cell in row] for row in [list(header), *cells]]
        lines = [escaped[0], alignment, *escaped[1:]]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    lines = [list(header), ["-" * width for width in widths], *cells]
    return "\n".join(_aligned(line, widths, left) for line in lines)


def _aligned(cells: Sequence[str], widths: Sequence[int], left: Collection[int]) -> str:
    aligned = [
        cell.ljust(width) if column in left else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(aligned).rstrip()

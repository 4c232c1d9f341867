"""Figure files, written without matplotlib's global state or a display."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from acmix.errors import check
from acmix.utils.files import publish, staging_folder, writing
from acmix.utils.fonts import drawable

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def check_picture(path: str | Path) -> None:
    """Raise UserError unless the suffix of ``path`` is one that matplotlib writes."""
    from matplotlib.backend_bases import FigureCanvasBase

    suffix = Path(path).suffix[1:].lower()
    check(
        suffix in FigureCanvasBase.get_supported_filetypes(),
        f"picture: {path} has no suffix of a picture that can be written; use .png, .pdf or .svg.",
    )


def save_figure(figure: Figure, target: Path) -> None:
    """Write a figure atomically; raise UserError for an unknown format."""
    check_picture(target)
    _make_drawable(figure)
    with staging_folder(target.parent) as folder, writing(target):
        staged = folder / f"figure{target.suffix}"
        figure.savefig(staged, dpi=120)
        publish(staged, target)


def _make_drawable(figure: Figure) -> None:
    """Give every text a font that has its characters, and take ``$`` for a dollar.

    The labels of ticks are set by their axis; make them drawable before, and here only their font.
    """
    from matplotlib.text import Text

    for axes in figure.axes:
        axes.get_xticklabels()  # writes the texts into the ticks
        axes.get_yticklabels()
    for text in figure.findobj(Text):
        text.set_parse_math(False)
        if not text.get_text().isascii():
            (item,) = drawable([text.get_text()], keep="\n")
            font = text.get_fontproperties().copy()
            font.set_file(item.font)
            text.set_text(item.text)
            text.set_fontproperties(font)

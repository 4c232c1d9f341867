"""Figure files, written without matplotlib's global state or a display."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from acmix.errors import check
from acmix.utils.files import publish, staging_folder, writing

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
    with staging_folder(target.parent) as folder, writing(target):
        staged = folder / f"figure{target.suffix}"
        figure.savefig(staged, dpi=120)
        publish(staged, target)

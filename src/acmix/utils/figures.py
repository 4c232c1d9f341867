"""Figure files, written without matplotlib's global state or a display."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from acmix.errors import UserError
from acmix.utils.files import publish, staging_folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save_figure(figure: Figure, target: Path) -> None:
    """Write a figure atomically; raise UserError for an unknown format."""
    with staging_folder(target.parent) as folder:
        staged = folder / target.name
        try:
            figure.savefig(staged, dpi=120)
        except ValueError as error:
            raise UserError(f"picture: {target} cannot be written: {error}") from error
        publish(staged, target)

"""One self-contained HTML file about a run: ``acmix report``."""

from __future__ import annotations

from pathlib import Path

from acmix.tools.report.html import page
from acmix.tools.report.parts import PARTS
from acmix.tools.report.run import Run
from acmix.utils.files import write_text

__all__ = ["Run", "write_html"]


def write_html(run: Run, target: Path) -> None:
    """Write the report of a run; the file needs no other one.

    Raises:
        UserError: a file of the run is damaged, or ``target`` cannot be written.
    """
    parts = [part for part in (make(run) for make in PARTS) if part is not None]
    write_text(target, page(run.config.network_name, f"run {run.folder}", parts))

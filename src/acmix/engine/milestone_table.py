"""The rows that training prints: one for every milestone, in aligned columns."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from typing import Any

from acmix.engine.objective import VALIDATION_LOSS
from acmix.utils.progress import clock

logger = logging.getLogger(__name__)

_ROWS_PER_HEADER = 25
_NARROWEST = 9


class MilestoneTable:
    """Prints a row per milestone under a header; a better one than all before is marked.

    Args:
        headline: titles of the metrics to print, by name; a run need not have all.
        epochs: length of the run; None for one that is measured in steps.
        step: the last one before the first row.
    """

    def __init__(self, headline: Mapping[str, str], epochs: int | None, step: int):
        self._headline = {VALIDATION_LOSS: "val loss", **headline}
        self._epochs = epochs
        self._header: list[str] = []
        self._rows = 0
        self._losses: list[tuple[int, float]] = []
        self._last_step = step
        self._start = time.monotonic()

    def add(self, record: Mapping[str, Any]) -> None:
        """Take a line of the metrics: its losses are part of the next row."""
        steps, self._last_step = record["step"] - self._last_step, record["step"]
        loss = record.get("loss")
        if loss is not None and math.isfinite(loss):
            self._losses.append((steps, loss))

    def row(self, record: Mapping[str, Any], images_per_second: float | None, best: bool) -> None:
        """Print the row of a milestone.

        Args:
            record: line of the metrics, which :meth:`add` has taken too.
            images_per_second: over the steps since the last row.
            best: whether no milestone before was better.
        """
        cells = self._cells(record, images_per_second)
        widths = {title: max(_NARROWEST, len(title)) for title in cells}
        if list(cells) != self._header or self._rows % _ROWS_PER_HEADER == 0:
            self._header = list(cells)
            titles = "  ".join(title.rjust(widths[title]) for title in cells)
            logger.info("%s", titles, extra={"style": "header"})
        self._rows += 1
        row = "  ".join(cell.rjust(widths[title]) for title, cell in cells.items())
        style = {"style": "best"} if best else {}
        logger.info("%s%s", row, "  best" if best else "", extra=style)

    def _cells(self, record: Mapping[str, Any], images_per_second: float | None) -> dict[str, str]:
        """Return the texts of a row by the titles of its columns."""
        epoch = record["epoch"]
        shown = f"{epoch:.2f}" if epoch % 1 else f"{epoch:.0f}"
        cells = {"epoch": shown if self._epochs is None else f"{shown}/{self._epochs}"}
        if self._epochs is None or epoch % 1:
            cells["step"] = str(record["step"])
        cells["loss"] = _number(self._mean_loss())
        for name, title in self._headline.items():
            if name in record:
                cells[title] = _number(record[name])
        cells["lr"] = f"{record['lr']:.2e}"
        cells["images/s"] = "-" if images_per_second is None else per_second(images_per_second)
        cells["time"] = clock(time.monotonic() - self._start)
        return cells

    def _mean_loss(self) -> float | None:
        steps = sum(count for count, _ in self._losses)
        total = sum(count * loss for count, loss in self._losses)
        self._losses = []
        return total / steps if steps else None


def _number(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.4f}" if abs(value) < 1000 else f"{value:.4g}"


def per_second(rate: float) -> str:
    """Return images per second as a user reads them."""
    return f"{rate:.0f}" if rate >= 100 else f"{rate:.3g}"

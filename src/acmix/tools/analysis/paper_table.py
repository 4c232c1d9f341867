"""Tables of the paper's models and detectors, with our counts next to the printed ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from acmix.tools.analysis.counts import Count
from acmix.tools.analysis.paper import PAPER_DETECTORS, PAPER_MODELS, PaperDetector, PaperModel
from acmix.utils.table import Style, render_table

Row = TypeVar("Row", PaperModel, PaperDetector)

_HEADER = [
    "model", "params (M)", "paper", "GMACs", "with bias, norm, ReLU, pooling", "paper",
    "top-1 (paper's)", "note",
]  # fmt: skip
_DETECTOR_HEADER = [
    "detector", "params (M)", "GMACs", "with bias, norm, ReLU, pooling", "paper", "note",
]  # fmt: skip


def render_paper_table(counts: Sequence[Count], style: Style = "text") -> str:
    """Render the table of models, with a note on each count that does not round to the printed one.

    The paper counts FLOPs in two ways; they match if either of our counts does.
    """
    notes = _Notes()
    rows = []
    for model, ours in _matched(PAPER_MODELS, counts):
        fits = _rounds_to(ours.params / 1e6, model.params) and _flops_fit(model.flops, ours)
        rows.append(
            [f"{model.label}, {model.name}", f"{ours.params / 1e6:.2f}", model.params,
             f"{ours.macs / 1e9:.3f}", f"{ours.san_macs / 1e9:.3f}", model.flops, model.top1,
             "" if fits else notes.number(model.reason)]
        )  # fmt: skip
    return notes.below(render_table(_HEADER, rows, style), style)


def render_detector_table(counts: Sequence[Count], style: Style = "text") -> str:
    """Render the table of detectors, for which the paper prints only FLOPs."""
    notes = _Notes()
    rows = []
    for detector, ours in _matched(PAPER_DETECTORS, counts):
        fits = not detector.flops or _flops_fit(detector.flops, ours)
        rows.append(
            [f"{detector.label}, {detector.name}", f"{ours.params / 1e6:.2f}",
             f"{ours.macs / 1e9:.1f}", f"{ours.san_macs / 1e9:.1f}", detector.flops or "-",
             "" if fits else notes.number(detector.reason)]
        )  # fmt: skip
    table = notes.below(render_table(_DETECTOR_HEADER, rows, style), style)
    sizes = sorted({f"{count.size[0]} x {count.size[1]}" for count in counts})
    return f"{table}\n\nImages of {', '.join(sizes)}; 80 classes."


RENDERERS = {"paper": render_paper_table, "detectors": render_detector_table}
"""Renderers by name in :data:`acmix.tools.analysis.paper.COUNT_TABLES`."""


def _matched(printed: Iterable[Row], counts: Sequence[Count]) -> Iterator[tuple[Row, Count]]:
    """Yield the paper's rows that have a count, in the paper's order."""
    by_name = {count.name: count for count in counts}
    for row in printed:
        if row.name in by_name:
            yield row, by_name[row.name]


class _Notes:
    """Numbered footnotes without repetition."""

    def __init__(self) -> None:
        self._reasons: list[str] = []

    def number(self, reason: str) -> str:
        """Return the footnote mark of a reason."""
        reason = reason or "unexplained"
        if reason not in self._reasons:
            self._reasons.append(reason)
        return f"[{self._reasons.index(reason) + 1}]"

    def below(self, table: str, style: Style) -> str:
        """Return the table followed by the footnotes."""
        notes = [f"[{number}] {reason}." for number, reason in enumerate(self._reasons, start=1)]
        separator = "\n\n" if style == "markdown" else "\n"
        return "\n\n".join([table, separator.join(notes)]).rstrip()


def _flops_fit(printed: str, ours: Count) -> bool:
    return any(_rounds_to(count / 1e9, printed) for count in (ours.macs, ours.san_macs))


def _rounds_to(value: float, printed: str) -> bool:
    return f"{value:.{len(printed.partition('.')[2])}f}" == printed

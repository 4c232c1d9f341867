"""Tables of the paper's networks, with our counts next to the printed ones."""

from __future__ import annotations

from collections.abc import Sequence

from acmix.tools.analysis.count_tables import CountTable
from acmix.tools.analysis.counts import Count
from acmix.tools.analysis.paper import PaperNetwork
from acmix.utils.table import Style, render_table


def render_count_table(table: CountTable, counts: Sequence[Count], style: Style = "text") -> str:
    """Render the rows that have a count, with a note where it does not round to the printed one.

    The paper counts FLOPs in two ways; they match if either of our counts does.
    """
    notes = _Notes()
    has_params, has_score = any(row.params for row in table.rows), bool(table.score)
    printed = "printed" if table.sources else "paper"
    header = [
        table.kind, "params (M)", *[printed] * has_params, "GMACs",
        "with bias, norm, ReLU, pooling", printed, *[table.score] * has_score,
        *["source"] * table.sources, "note",
    ]  # fmt: skip
    by_name = {count.name: count for count in counts}
    cells = []
    for row in table.rows:
        if row.name not in by_name:
            continue
        ours = by_name[row.name]
        flops = [f"{n / 1e9:.{table.decimals}f}" for n in (ours.macs, ours.san_macs)]
        cells.append(
            [f"{row.label}, {row.name}", f"{ours.params / 1e6:.2f}", *[row.params] * has_params,
             *flops, row.flops or "-", *[row.score] * has_score,
             *[row.source] * table.sources, "" if _fits(row, ours) else notes.number(row.reason)]
        )  # fmt: skip
    text = notes.below(render_table(header, cells, style), style)
    if not table.conditions:
        return text
    sizes = sorted({f"{count.size[0]} x {count.size[1]}" for count in counts})
    return f"{text}\n\nImages of {', '.join(sizes)}; {table.conditions}."


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


def _fits(printed: PaperNetwork, ours: Count) -> bool:
    """Return whether our counts round to the printed ones, as far as they are printed."""
    params = not printed.params or _rounds_to(ours.params / 1e6, printed.params)
    macs = not printed.flops or any(
        _rounds_to(count / 1e9, printed.flops) for count in (ours.macs, ours.san_macs)
    )
    return params and macs


def _rounds_to(value: float, printed: str) -> bool:
    return f"{value:.{len(printed.partition('.')[2])}f}" == printed

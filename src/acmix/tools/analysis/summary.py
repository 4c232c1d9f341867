"""Table of ``acmix summary``: Cells, output shapes, parameters, multiply-adds."""

from __future__ import annotations

from dataclasses import dataclass

from acmix.tools.analysis.macs import CellCount, Trace, is_within
from acmix.utils.table import Style, render_table


@dataclass(frozen=True)
class SummaryRow:
    """One Cell with everything below it."""

    name: str
    type: str
    depth: int
    output: str
    params: int
    macs: int


def summary_rows(trace: Trace, depth: int | None = 2) -> list[SummaryRow]:
    """Return one row per Cell down to ``depth`` (0: the network alone, None: all).

    Rows hold the totals of subtrees. A parent exceeds the sum of its children by its own share.
    """
    rows = []
    for cell in trace.cells:
        level = cell.name.count(".") + 1 if cell.name else 0
        if depth is not None and level > depth:
            continue
        below = [other for other in trace.cells if is_within(other.name, cell.name)]
        rows.append(
            SummaryRow(
                cell.name,
                cell.type,
                level,
                _output(cell),
                sum(other.params for other in below),
                sum(other.macs for other in below),
            )
        )
    return rows


def render_summary(trace: Trace, depth: int | None = 2, style: Style = "text") -> str:
    """Render the rows as a table, followed by the totals and the uncounted Cells."""
    label = _indented if style == "text" else _quoted
    rows = [
        [label(row), row.type, row.output, f"{row.params:,}", f"{row.macs:,}"]
        for row in summary_rows(trace, depth)
    ]
    table = render_table(["layer", "type", "output", "params", "MACs"], rows, style)
    lines = [
        table,
        "",
        f"{trace.params:,} parameters, {trace.macs / 1e9:.3f} G multiply-adds "
        f"({trace.san_macs / 1e9:.3f} G with bias, BatchNorm, ReLU and pooling)",
    ]
    if trace.uncounted:
        lines.append("not counted (no rule, no macs()): " + ", ".join(trace.uncounted))
    return "\n".join(lines)


def _indented(row: SummaryRow) -> str:
    return "  " * row.depth + (row.name.rpartition(".")[2] or "network")


def _quoted(row: SummaryRow) -> str:
    return f"`{row.name or 'network'}`"


def _output(cell: CellCount) -> str:
    if not cell.calls:
        return "not called"
    return " ".join("x".join(map(str, shape)) or "scalar" for shape in cell.output_shapes)

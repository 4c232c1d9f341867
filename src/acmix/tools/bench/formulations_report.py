"""Report of ``acmix bench formulations``: times and peak memory as a table and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from acmix.tools.bench.machine import machine_phrase
from acmix.tools.bench.timing import Timing, speed_up
from acmix.utils.table import Style, render_table

KIND = "formulations"


@dataclass(frozen=True)
class FormulationCase:
    """Measurements of all formulations of one case, in a common order.

    Attributes:
        name: of the part and the case.
        forward: timings of the forward pass.
        backward: timings of forward and backward pass together.
        forward_peaks, backward_peaks: peak memory in bytes; None if unknown, empty if not
            measured.
    """

    name: str
    forward: tuple[Timing, ...]
    backward: tuple[Timing, ...]
    forward_peaks: tuple[int | None, ...] = ()
    backward_peaks: tuple[int | None, ...] = ()

    def rows(self) -> list[list[str]]:
        """Return a row per formulation; the first one is the baseline."""
        directions = (
            (self.forward, self.forward_peaks),
            (self.backward, self.backward_peaks),
        )
        rows = []
        for number, formulation in enumerate(self.forward):
            row = [self.name, formulation.name]
            for timings, peaks in directions:
                own = timings[number]
                row += [f"{own.median * 1e3:.1f}", f"{speed_up(own, timings[0]).median:.2f}x"]
                row += [_mebibytes(peak) for peak in peaks[number : number + 1]]
            rows.append(row)
        return rows


@dataclass(frozen=True)
class FormulationsReport:
    """A measurement with its conditions and raw samples.

    Attributes:
        environment: facts from ``acmix.environment.describe``.
        batch_size: images per call.
        warmup: rounds before the measured ones.
        turn_seconds: minimum duration of a turn.
        cases: measured cases.
    """

    environment: Mapping[str, str | int | None]
    batch_size: int
    warmup: int
    turn_seconds: float
    cases: tuple[FormulationCase, ...]

    def to_json(self) -> str:
        """Return text that :func:`acmix.tools.bench.reports.read_report` reads back."""
        return json.dumps({"kind": KIND} | asdict(self), indent=2) + "\n"

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> FormulationsReport:
        """Read a report from its parsed JSON, without the kind."""
        cases = [
            FormulationCase(
                **{
                    **case,
                    **{key: _timings(case[key]) for key in ("forward", "backward")},
                    **{key: tuple(case[key]) for key in ("forward_peaks", "backward_peaks")},
                }
            )
            for case in content["cases"]
        ]
        return cls(**{**content, "cases": tuple(cases)})

    def render(self, style: Style = "markdown") -> str:
        """Return the table and the conditions of the measurement."""
        memory = ["peak MiB"] if any(case.forward_peaks for case in self.cases) else []
        header = ["case", "formulation", "forward ms", "speed-up", *memory]
        header += ["with backward ms", "speed-up", *memory]
        rows = [row for case in self.cases for row in case.rows()]
        repeats = len(self.cases[0].forward[0].seconds)
        conditions = (
            f"{machine_phrase(self.environment)}, batch {self.batch_size}, float32; medians of "
            f"{repeats} interleaved rounds after {self.warmup} of warm-up, each turn at least "
            f"{self.turn_seconds} s of calls."
        )
        return f"{render_table(header, rows, style)}\n\n{conditions}"


def _timings(rows: list[dict[str, Any]]) -> tuple[Timing, ...]:
    return tuple(Timing(**{**row, "seconds": tuple(row["seconds"])}) for row in rows)


def _mebibytes(peak: int | None) -> str:
    return "-" if peak is None else f"{peak / 2**20:.0f}"

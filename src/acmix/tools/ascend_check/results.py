"""Results of the steps as JSON, and from there into ``docs/results``."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from acmix.errors import UserError, check
from acmix.tools.bench.report import BenchReport
from acmix.utils.files import write_text
from acmix.utils.table import Style, render_table

Status = Literal["PASS", "FAIL", "SKIP"]
STATUSES: tuple[Status, ...] = ("PASS", "FAIL", "SKIP")
PREFIX = "ascend-check-"


@dataclass(frozen=True)
class StepResult:
    """How one step ended.

    Attributes:
        name: of the step.
        status: PASS, FAIL or SKIP.
        reason: what was found, what went wrong, or what is missing.
        seconds: it took.
        commands: that were run, in order.
    """

    name: str
    status: Status
    reason: str
    seconds: float
    commands: tuple[str, ...] = ()


@dataclass(frozen=True)
class CheckReport:
    """All steps on one machine.

    Attributes:
        device: device target the networks ran on; empty if none could be found out.
        npu: name of the chip by npu-smi, such as 910B2; empty without one.
        facts: of ``acmix env``.
        steps: in order.
        tables: the benchmarks by name, each as the JSON of ``acmix bench``.
    """

    device: str
    npu: str
    facts: dict[str, Any]
    steps: tuple[StepResult, ...]
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def failed(self) -> bool:
        """Whether any step failed."""
        return any(step.status == "FAIL" for step in self.steps)

    @property
    def machine(self) -> str:
        """The device as part of a file's name."""
        return re.sub("[^a-z0-9]+", "-", f"{self.device} {self.npu}".lower()).strip("-") or "none"

    def to_json(self) -> str:
        """The report as text that :meth:`from_json` reads back."""
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> CheckReport:
        """Read a report.

        Raises:
            UserError: ``text`` was not written by :meth:`to_json`.
        """
        try:
            content = json.loads(text)
            steps = tuple(
                StepResult(**{**step, "commands": tuple(step["commands"])})
                for step in content.pop("steps")
            )
            if not all(step.status in STATUSES for step in steps):
                raise ValueError("a status is none of " + ", ".join(STATUSES))
            return cls(**content, steps=steps)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise UserError(f"this is not a JSON of 'acmix check-ascend': {error!r}") from error


def read_reports(folder: str | Path) -> list[CheckReport]:
    """Return the reports that :func:`merge` left in ``folder``."""
    files = sorted(Path(folder).glob(f"{PREFIX}*.json"))
    return [CheckReport.from_json(file.read_text(encoding="utf-8")) for file in files]


def render(reports: Sequence[CheckReport], style: Style = "text") -> str:
    """One table of all steps per machine; without any machine a sentence that says so."""
    if not reports:
        return "No results of an Ascend machine are here yet."
    return "\n\n".join(_render_one(report, style) for report in reports)


def _render_one(report: CheckReport, style: Style) -> str:
    rows = [[s.name, s.status, f"{s.seconds:.0f}", s.reason] for s in report.steps]
    counts = ", ".join(
        f"{sum(step.status == status for step in report.steps)} {status}" for status in STATUSES
    )
    facts = report.facts
    versions = "MindSpore {}, CANN {}, driver {}".format(
        *(facts.get(key) or "none" for key in ("mindspore", "cann", "ascend_driver"))
    )
    table = render_table(["step", "result", "s", "what was found"], rows, style, (0, 1, 3))
    return f"{table}\n\n{report.device or 'no device'} {report.npu}: {counts}; {versions}."


def merge(file: str | Path, folder: str | Path) -> list[Path]:
    """Put a machine's results beside those of others; the commands of the tables find them there.

    Args:
        file: ``check_ascend.json``, brought from the machine.
        folder: ``docs/results``: gets ``ascend-check-<machine>.json`` with the steps, and
            ``speed-<table>-<machine>.json`` for each benchmark. Files of the same machine are
            replaced.

    Returns:
        The files written.

    Raises:
        UserError: ``file`` does not exist or is no such report.
    """
    file, folder = Path(file), Path(folder)
    check(file.is_file(), f"{file} does not exist; 'acmix check-ascend' writes one.")
    report = CheckReport.from_json(file.read_text(encoding="utf-8"))
    contents = {PREFIX + report.machine: report.to_json()}
    for table, content in report.tables.items():
        # Read and written again: what is not a benchmark is refused here, not in the README.
        checked = BenchReport.from_json(json.dumps(content))
        contents[f"speed-{table}-{report.machine}"] = checked.to_json()
    written = []
    for name, text in contents.items():
        written.append(folder / f"{name}.json")
        write_text(written[-1], text)
    return written

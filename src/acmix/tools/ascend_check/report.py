"""Report of ``acmix check-ascend``: results as JSON, their tables, and merging into the docs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from acmix.errors import check
from acmix.tools.bench.models_report import ModelsReport
from acmix.tools.saved_results import load_result, parsing
from acmix.utils.files import write_text
from acmix.utils.table import Style, render_table
from acmix.utils.text import printable

Status = Literal["PASS", "FAIL", "SKIP"]
STATUSES: tuple[Status, ...] = ("PASS", "FAIL", "SKIP")
PREFIX = "ascend-check-"
STAND_IN_PREFIX = "stand-in-check-"
STAND_IN = "Nothing is run on Ascend: 'acmix rehearse' has put a stand-in in place of {}."
"""First line of every report of a rehearsal."""


@dataclass(frozen=True)
class StepResult:
    """Result of one step.

    Attributes:
        name: name of the step.
        status: PASS, FAIL or SKIP.
        reason: finding, error, or missing requirement.
        seconds: duration.
        commands: commands in order of execution.
    """

    name: str
    status: Status
    reason: str
    seconds: float
    commands: tuple[str, ...] = ()


@dataclass(frozen=True)
class CheckReport:
    """Results of all steps on one machine.

    Attributes:
        device: device target of the networks; empty if unknown.
        npu: name of the chip by npu-smi, such as 910B2; empty without one.
        facts: facts of ``acmix env``.
        steps: results in order of execution.
        tables: benchmarks by name, as JSON of ``acmix bench``.
        stand_in: what a rehearsal had in place of the device; empty on a real machine.
    """

    stand_in: str = field(default="", kw_only=True)
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
        """Device and chip, or what stood in for them, formatted for a file name."""
        named = self.stand_in or f"{self.device} {self.npu}"
        return re.sub("[^a-z0-9]+", "-", named.lower()).strip("-") or "none"

    def to_json(self) -> str:
        """Return text that :meth:`from_json` reads back."""
        return json.dumps(asdict(self), indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> CheckReport:
        """Read a report.

        Raises:
            UserError: ``text`` was not written by :meth:`to_json`.
        """
        with parsing("this is not a JSON of 'acmix check-ascend'"):
            content = json.loads(text)
            steps = tuple(
                StepResult(**{**step, "commands": tuple(step["commands"])})
                for step in content.pop("steps")
            )
            if not all(step.status in STATUSES for step in steps):
                raise ValueError("a status is none of " + ", ".join(STATUSES))
            report = cls(**content, steps=steps)
            if any(found != report.stand_in for found in report._found_stand_ins()):
                raise ValueError("its facts name another stand-in than the report itself")
            _render_one(report, "text")
            return report

    def _found_stand_ins(self) -> Iterator[str]:
        """Yield the stand-in, or the lack of one, that each set of facts names."""
        environments = [table["environment"] for table in self.tables.values()]
        for facts in (self.facts, *environments) if self.facts else environments:
            yield facts.get("stand_in", "")


def read_report(file: str | Path) -> CheckReport:
    """Return the report of a file; raise UserError, naming it, if it holds none."""
    return load_result(file, CheckReport.from_json)


def read_reports(folder: str | Path) -> list[CheckReport]:
    """Return the reports of devices that :func:`merge` wrote into ``folder``.

    Raises:
        UserError: a file holds no report, or that of a stand-in.
    """
    files = sorted(Path(folder).glob(f"{PREFIX}*.json"))
    reports = [read_report(file) for file in files]
    for file, report in zip(files, reports, strict=True):
        check(
            not report.stand_in,
            f"{file}: it is the report of a stand-in, not of a device. Remove it, and merge the "
            "report: that gives it a name of its own.",
        )
    return reports


def render(reports: Sequence[CheckReport], style: Style = "text") -> str:
    """Render one table of steps per machine; without reports, a sentence.

    Raises:
        UserError: some reports are of devices, some of stand-ins.
    """
    if not reports:
        return "No results of an Ascend machine are here yet."
    check(
        len({bool(report.stand_in) for report in reports}) == 1,
        "some of these reports are of devices, some of stand-ins; show them apart.",
    )
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
    if report.stand_in:
        head = STAND_IN.format(printable(report.stand_in))
        untimed = [[name, status, reason] for name, status, _, reason in rows]
        table = render_table(["step", "stand-in", "what was found"], untimed, style, (0, 1, 2))
        return f"{head}\n\n{table}\n\nstand-in: {counts}; MindSpore {facts.get('mindspore')}."
    table = render_table(["step", "result", "s", "what was found"], rows, style, (0, 1, 3))
    return f"{table}\n\n{report.device or 'no device'} {report.npu}: {counts}; {versions}."


def merge(file: str | Path, folder: str | Path) -> list[Path]:
    """Add the results of a machine to a folder, from which the documentation's tables are made.

    Replaces files of the same machine. The report of a stand-in is kept apart: it has a name that
    no table of devices is made from, and its benchmarks are left out.

    Args:
        file: ``check_ascend.json`` of the machine.
        folder: receives ``ascend-check-<machine>.json`` with the steps, and
            ``speed-<table>-<machine>.json`` for each benchmark; of a stand-in
            ``stand-in-check-<chip>.json`` alone.

    Returns:
        The files written.

    Raises:
        UserError: ``file`` is missing or is no such report.
    """
    file, folder = Path(file), Path(folder)
    check(file.is_file(), f"{file} does not exist; 'acmix check-ascend' writes one.")
    report = read_report(file)
    if report.stand_in:
        report = replace(report, tables={})
    prefix = STAND_IN_PREFIX if report.stand_in else PREFIX
    contents = {prefix + report.machine: report.to_json()}
    for table, content in report.tables.items():
        # Parsing rejects malformed benchmarks before they reach the documentation.
        checked = ModelsReport.from_json(json.dumps(content))
        contents[f"speed-{table}-{report.machine}"] = checked.to_json()
    written = []
    for name, text in contents.items():
        written.append(folder / f"{name}.json")
        write_text(written[-1], text)
    return written

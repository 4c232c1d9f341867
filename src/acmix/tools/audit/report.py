"""Report of ``acmix audit`` on one graph: verdicts with evidence, as tables and JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from acmix.tools.audit.evidence import VERSION, Evidence
from acmix.tools.audit.levels import Level, kernel_at_o0, node_of_engine
from acmix.tools.audit.rule import EVERY_LEVEL, Finding
from acmix.tools.audit.rules import RULES
from acmix.tools.audit.verdict import STRUCTURE, Verdict
from acmix.utils.table import Style, render_table

SCOPE = (
    f"It says what is registered for Ascend in MindSpore {VERSION}. Nothing was run on Ascend, and "
    "whether a kernel takes these types and shapes is for the device to say."
)


@dataclass(frozen=True)
class AuditedOperator:
    """An operator of the graph with its count, verdict, reason and evidence."""

    name: str
    count: int
    verdict: Verdict
    reason: str
    evidence: Evidence


@dataclass(frozen=True)
class Audit:
    """Verdicts of the registries and the rules on a graph.

    Attributes:
        subject: name of the audited graph.
        version: MindSpore version that compiled the graph.
        operators: audited operators, sorted by name.
        findings: findings of the rules, the most severe first.
        convolutions: number of convolutions and their gradients by kind of groups.
        parameter_bytes: size of the weights.
        constant_bytes: size of the constants in the graph.
        levels: ways to the device for which it was audited.
    """

    subject: str
    version: str
    operators: tuple[AuditedOperator, ...]
    findings: tuple[Finding, ...]
    convolutions: dict[str, int]
    parameter_bytes: int
    constant_bytes: int
    levels: tuple[Level, ...] = EVERY_LEVEL

    def verdict_at(self, level: Level) -> Verdict:
        """Return PASS, REVIEW or FAIL: the most severe of operators and of findings at a level."""
        found = [entry.verdict for entry in self.operators]
        found += [finding.verdict for finding in self.findings if level in finding.levels]
        worst = max(found, key=lambda verdict: verdict.severity, default=Verdict.PASS)
        return worst if worst in (Verdict.REVIEW, Verdict.FAIL) else Verdict.PASS

    @property
    def verdicts(self) -> dict[str, str]:
        """Verdicts by level."""
        return {level.value: self.verdict_at(level).value for level in self.levels}

    @property
    def verdict(self) -> Verdict:
        """Return the verdict of all levels; REVIEW if it fails at some of them only."""
        found = sorted({self.verdict_at(level) for level in self.levels}, key=lambda v: v.severity)
        return Verdict.REVIEW if found[-1] is Verdict.FAIL and len(found) > 1 else found[-1]

    def passed(self, strict: bool = False) -> bool:
        """Return whether nothing fails and, with ``strict``, nothing needs a review."""
        return self.verdict == Verdict.PASS or (self.verdict == Verdict.REVIEW and not strict)

    def render(self, style: Style = "text") -> str:
        """Return the report as tables."""
        order = sorted(self.operators, key=lambda entry: (-entry.verdict.severity, entry.name))
        table = render_table(
            ["operator", "nodes", "verdict", *MARKS, "why"],
            [
                [entry.name, entry.count, entry.verdict.value, *marks(entry.evidence), entry.reason]
                for entry in order
            ],
            style,
        )
        nodes = sum(entry.count for entry in self.operators)
        head = (
            f"{self.subject}: {self.verdict.value} ({by_level(self.verdicts)}). {nodes} nodes, "
            f"{len(self.operators)} operators; weights {self.parameter_bytes / 2**20:.1f} MiB, "
            f"constants {self.constant_bytes / 2**20:.1f} MiB."
        )
        parts = [head, SCOPE, *self._other_version(), table, *self._rendered_findings()]
        return "\n\n".join(parts)

    def to_json(self) -> str:
        """Return the whole audit as JSON."""
        verdicts = {"verdict": self.verdict.value, "verdicts": self.verdicts}
        content = {**verdicts, "scope": SCOPE, **asdict(self)}
        return json.dumps(content, indent=1)

    def inventory(self) -> dict[str, Any]:
        """Return the part that tests compare between versions: operators, groups, findings."""
        return {
            "verdict": self.verdict.value,
            "verdicts": self.verdicts,
            "operators": {entry.name: entry.count for entry in self.operators},
            "convolutions": self.convolutions,
            "findings": {finding.text: finding.count for finding in self.findings},
        }

    def _other_version(self) -> list[str]:
        if self.version == VERSION:
            return []
        return [f"The graph was made by MindSpore {self.version}, the lists are of {VERSION}."]

    def _rendered_findings(self) -> list[str]:
        sources = {(rule.name, tuple(rule.levels)): rule.source for rule in RULES}
        lines = [
            f"- {f.text} ({f.count} places; {sources[f.rule, tuple(f.levels)]})"
            + (f"; {f.scope}" if f.scope and f.verdict != Verdict.NOTE else "")
            for f in self.findings
        ]
        return ["\n".join(lines)] if lines else []


MARKS = ("documented", "aclnn", "GE", "AICPU", "at O0", "at O2")
"""Headers of :func:`marks`."""


def marks(evidence: Evidence) -> list[str]:
    """Return the evidence in columns, and what becomes of the operator at two levels."""
    documented = "yes" if evidence.documented else "no" if evidence.platforms else "-"
    kinds = (evidence.aclnn, evidence.ge, evidence.aicpu)
    became = "-", "-"
    if evidence.operator not in STRUCTURE:
        became = kernel_at_o0(evidence), node_of_engine(evidence, Level.O2)
    return [documented, *("yes" if found else "-" for found in kinds), *(b or "-" for b in became)]


def by_level(verdicts: Mapping[str, str]) -> str:
    """Return verdicts by level as one line: "O0 PASS, O2 REVIEW"."""
    return ", ".join(f"{level} {verdict}" for level, verdict in verdicts.items())

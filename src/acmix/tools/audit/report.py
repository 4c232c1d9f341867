"""Report of ``acmix audit`` on one graph: verdicts with evidence, as tables and JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from acmix.tools.audit.evidence import VERSION, Evidence
from acmix.tools.audit.rules import RULES, Finding
from acmix.tools.audit.verdict import Verdict
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
    """

    subject: str
    version: str
    operators: tuple[AuditedOperator, ...]
    findings: tuple[Finding, ...]
    convolutions: dict[str, int]
    parameter_bytes: int
    constant_bytes: int

    @property
    def verdict(self) -> Verdict:
        """Return PASS, REVIEW or FAIL: the most severe of all operators and findings."""
        all_of = [entry.verdict for entry in self.operators]
        all_of += [finding.verdict for finding in self.findings]
        worst = max(all_of, key=lambda verdict: verdict.severity, default=Verdict.PASS)
        return worst if worst in (Verdict.REVIEW, Verdict.FAIL) else Verdict.PASS

    def passed(self, strict: bool = False) -> bool:
        """Return whether nothing fails and, with ``strict``, nothing needs a review."""
        return self.verdict == Verdict.PASS or (self.verdict == Verdict.REVIEW and not strict)

    def render(self, style: Style = "text") -> str:
        """Return the report as tables."""
        order = sorted(self.operators, key=lambda entry: (-entry.verdict.severity, entry.name))
        table = render_table(
            ["operator", "nodes", "verdict", "documented", "aclnn", "GE", "AICPU", "why"],
            [
                [entry.name, entry.count, entry.verdict.value, *marks(entry.evidence), entry.reason]
                for entry in order
            ],
            style,
        )
        nodes = sum(entry.count for entry in self.operators)
        head = (
            f"{self.subject}: {self.verdict.value}. {nodes} nodes, {len(self.operators)} "
            f"operators; weights {self.parameter_bytes / 2**20:.1f} MiB, constants "
            f"{self.constant_bytes / 2**20:.1f} MiB."
        )
        parts = [head, SCOPE, *self._other_version(), table, *self._rendered_findings()]
        return "\n\n".join(parts)

    def to_json(self) -> str:
        """Return the whole audit as JSON."""
        content = {"verdict": self.verdict.value, "scope": SCOPE, **asdict(self)}
        return json.dumps(content, indent=1)

    def inventory(self) -> dict[str, Any]:
        """Return the part that tests compare between versions: operators, groups, findings."""
        return {
            "verdict": self.verdict.value,
            "operators": {entry.name: entry.count for entry in self.operators},
            "convolutions": self.convolutions,
            "findings": {
                f"{finding.verdict.value} {finding.rule}: {finding.message}": finding.count
                for finding in self.findings
            },
        }

    def _other_version(self) -> list[str]:
        if self.version == VERSION:
            return []
        return [f"The graph was made by MindSpore {self.version}, the lists are of {VERSION}."]

    def _rendered_findings(self) -> list[str]:
        sources = {rule.name: rule.source for rule in RULES}
        lines = [
            f"- {f.verdict.value}, {f.rule}: {f.message} ({f.count} places; {sources[f.rule]})"
            + (f"; {f.scope}" if f.scope and f.verdict != Verdict.NOTE else "")
            for f in self.findings
        ]
        return ["\n".join(lines)] if lines else []


def marks(evidence: Evidence) -> list[str]:
    """Return the evidence in four columns: documented, aclnn, GE, AICPU."""
    documented = "yes" if evidence.documented else "no" if evidence.platforms else "-"
    kinds = (evidence.aclnn, evidence.ge, evidence.aicpu)
    return [documented, *("yes" if found else "-" for found in kinds)]

"""Inventories of many graphs: saved in files, compared by tests, rendered as one table."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from acmix.errors import check
from acmix.tools.audit.evidence import evidence_of
from acmix.tools.audit.levels import Level
from acmix.tools.audit.report import MARKS, SCOPE, Audit, marks
from acmix.tools.audit.rule import Finding
from acmix.tools.audit.verdict import Verdict, judge
from acmix.tools.saved_results import load_result, parsing
from acmix.utils.table import Style, render_table


class Inventory:
    """Inventories of graphs: :meth:`.Audit.inventory` by name of the graph.

    Args:
        graphs: parsed content of :meth:`to_json`.
    """

    def __init__(self, graphs: Mapping[str, dict[str, Any]]):
        self.graphs = dict(graphs)

    @classmethod
    def of(cls, audits: Mapping[str, Audit]) -> Inventory:
        """Create the inventory of audits."""
        return cls({name: audit.inventory() for name, audit in audits.items()})

    @classmethod
    def load(cls, *paths: str | Path) -> Inventory:
        """Merge files of :meth:`to_json` or :meth:`.Audit.to_json`, or folders of them.

        Raises:
            UserError: a file is missing or malformed.
        """
        graphs: dict[str, dict[str, Any]] = {}
        files: list[Path] = []
        for path in map(Path, paths):
            files += sorted(path.glob("*.json")) if path.is_dir() else [path]
        check(bool(files), f"{', '.join(map(str, paths))} holds no .json file.")
        for path in files:
            check(path.is_file(), f"{path} does not exist.")
            graphs.update(load_result(path, cls._parse))
        return cls(graphs)

    @classmethod
    def _parse(cls, text: str) -> dict[str, dict[str, Any]]:
        with parsing("this is not an inventory"):
            graphs = _graphs(json.loads(text))
            cls(graphs).render()
        return graphs

    def to_json(self) -> str:
        """Return the inventory with one line per operator, for readable diffs."""
        return json.dumps(self.graphs, indent=1, sort_keys=True) + "\n"

    def render(self, style: Style = "text") -> str:
        """Return a table of all operators with their evidence, and one of the findings."""
        counts: Counter[str] = Counter()
        users: Counter[str] = Counter()
        for graph in self.graphs.values():
            counts.update(graph["operators"])
            users.update(graph["operators"].keys())
        judged = {name: judge(evidence_of(name)) for name in counts}
        operators = [
            [name, users[name], counts[name], judged[name][0].value, *marks(evidence_of(name)),
             judged[name][1]]
            for name in sorted(counts, key=lambda name: (-judged[name][0].severity, name))
        ]  # fmt: skip
        header = ["operator", "graphs", "nodes", "verdict", *MARKS, "why"]
        remarks: Counter[str] = Counter()
        for graph in self.graphs.values():
            remarks.update(graph["findings"].keys())
        rows = sorted(remarks.items())
        verdicts = Counter(graph["verdict"] for graph in self.graphs.values())
        parts = [
            f"{len(self.graphs)} graphs: {_counted(verdicts)}. "
            f"By level: {self._by_level()}. {SCOPE}",
            render_table(header, operators, style),
            render_table(["finding", "graphs"], rows, style),
        ]
        return "\n\n".join(parts)

    def _by_level(self) -> str:
        """Return how many graphs have a verdict: "O0 1 PASS, 2 REVIEW; O2 3 PASS"."""
        verdicts = [graph["verdicts"] for graph in self.graphs.values()]
        found = {
            level.value: Counter(each[level] for each in verdicts if level in each)
            for level in Level
        }
        return "; ".join(f"{level} {_counted(kinds)}" for level, kinds in found.items() if kinds)


def _graphs(content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the graphs of an inventory, or the single graph of an audit."""
    if "subject" in content:
        graph = {key: content[key] for key in ("verdict", "verdicts", "convolutions")}
        graph["operators"] = {entry["name"]: entry["count"] for entry in content["operators"]}
        graph["findings"] = {
            _finding(finding).text: finding["count"] for finding in content["findings"]
        }
        return {content["subject"]: graph}
    parts = {"verdict", "verdicts", "operators", "findings"}
    if not all(parts <= graph.keys() for graph in content.values()):
        raise KeyError(*sorted(parts))
    return content


def _finding(content: dict[str, Any]) -> Finding:
    levels = tuple(map(Level, content["levels"]))
    return Finding(**{**content, "verdict": Verdict(content["verdict"]), "levels": levels})


def _counted(kinds: Counter[str]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))

"""A rule of the audit, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from acmix.tools.audit.levels import Level, written
from acmix.tools.audit.verdict import Verdict
from acmix.utils.mindir import Graph

Remarks = Iterator[tuple[str, str]]
"""Pairs of a message and its place in the network."""

EVERY_LEVEL = tuple(Level)


@dataclass(frozen=True)
class Rule:
    """A rule: name, verdict on its findings, source of the fact, the search, where it holds."""

    name: str
    verdict: Verdict
    source: str
    search: Callable[[Graph], Remarks]
    levels: Sequence[Level] = EVERY_LEVEL


@dataclass(frozen=True)
class Finding:
    """One message of a rule, found at ``count`` places such as ``scope``; holds at ``levels``."""

    rule: str
    verdict: Verdict
    message: str
    count: int
    scope: str
    levels: Sequence[Level] = EVERY_LEVEL

    @property
    def text(self) -> str:
        """Verdict, levels, rule and message."""
        return f"{self.verdict.value} at {written(self.levels)}, {self.rule}: {self.message}"

"""Report of a rehearsal, as tables and JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from acmix.tools.rehearsal.known import known
from acmix.tools.rehearsal.npu.operands import PLAIN_FORMATS
from acmix.tools.rehearsal.recordings import LAUNCHED, Recordings, is_own_aicpu
from acmix.tools.rehearsal.wheel import VERSION
from acmix.utils.table import Style, render_table
from acmix.utils.text import first_few, printable

_SCOPE = "{what}: MindSpore {version}'s Ascend back end runs on a stand-in for {soc} {kernels}."
_COMPUTED = {
    "what": "Nothing is run on Ascend",
    "kernels": "whose operators NumPy computes on this host",
}
_EMPTY = {
    "what": "Nothing is computed, and nothing is run on Ascend",
    "kernels": "whose kernels are empty",
}

CASTS = {"Cast", "aclnnCast"}
FORMAT_CHANGES = {"TransData", "TransDataRNN", "aclnnNpuFormatCast"}
# Nodes of a graph that stand for no kernel.
_STRUCTURE = {"Data", "RefData", "Const", "Constant", "Identity", "IdentityN", "NoOp"}


def scope(soc: str, computes: bool) -> str:
    """Return what a rehearsal is, and by what its numbers are computed: its first line."""
    return _SCOPE.format(version=VERSION, soc=soc, **(_COMPUTED if computes else _EMPTY))


@dataclass(frozen=True)
class Rehearsal:
    """What MindSpore's back end did with a command on the stand-in device.

    Attributes:
        command: the command line.
        soc: name of the chip that the stand-in reports.
        jit_level: level of the graph compiler; empty for MindSpore's default.
        computed: whether the software NPU computed operators.
        exit_code: of the command.
        kernels: number of nodes by operator and kind of kernel.
        calls: number of calls by kind and CANN's operator; see :attr:`.Recordings.calls`.
        formats: number of operands by number of the format in memory.
        moved: bytes of the operands of all launches, see :attr:`.Recordings.moved`.
        refusals: messages of the back end.
        failures: operators that the software NPU could not compute, and why.
        error: that the command named if it failed.
    """

    command: str
    soc: str
    jit_level: str
    computed: bool
    exit_code: int
    kernels: Mapping[tuple[str, str], int]
    calls: Mapping[tuple[str, str], int]
    formats: Mapping[int, int]
    moved: int
    refusals: tuple[str, ...]
    failures: tuple[str, ...] = ()
    error: str = ""

    @classmethod
    def read(
        cls, folder: Path, command: str, soc: str, level: str, computed: bool, exit_code: int
    ) -> Rehearsal:
        """Read the recordings in ``folder``."""
        found = Recordings(folder)
        return cls(
            command,
            soc,
            level,
            computed,
            exit_code,
            found.kernels,
            found.calls,
            found.formats,
            found.moved,
            tuple(found.refusals),
            tuple(found.failures),
            found.error if exit_code else "",
        )

    @property
    def passed(self) -> bool:
        """Whether the command succeeded, the device got work, and no operator stopped it."""
        stopped = self.refusals or self.failures
        return self.exit_code == 0 and not stopped and bool(self.calls)

    def called(self, kind: str) -> dict[str, int]:
        """Return the calls of a kind by name; of graphs without what stands for no kernel."""
        return {
            name: count
            for (one, name), count in self.calls.items()
            if one == kind and not (kind == "ge" and name in _STRUCTURE)
        }

    @cached_property
    def launches(self) -> Counter[str]:
        """Number of launches: ``aclnn`` and ``aclop``, and of exchanges: ``hccl``."""
        return Counter({kind: sum(self.called(kind).values()) for kind in LAUNCHED})

    @property
    def aclop_share(self) -> float:
        """Share of aclop among the launches, 0 where there are none."""
        return self.launches["aclop"] / max(self.launches.total(), 1)

    def count(self, operators: set[str]) -> int:
        """Return the number of calls of some of CANN's operators."""
        return sum(count for (_, name), count in self.calls.items() if name in operators)

    @cached_property
    def unknown(self) -> list[str]:
        """Operators that none of acmix's architectures asks of CANN in this way."""
        asked = {(kind, name) for kind in (*LAUNCHED, "ge") for name in self.called(kind)}
        return [f"{name} ({kind})" for kind, name in sorted(asked - known())]

    @property
    def device_formats(self) -> int:
        """Number of operands of aclop and graphs in a format that only the device has."""
        return sum(n for number, n in self.formats.items() if number not in PLAIN_FORMATS)

    @property
    def aicpu(self) -> dict[str, int]:
        """Calls of MindSpore's own operators on the slow AI CPUs."""
        return {
            name: count for (_, name), count in sorted(self.calls.items()) if is_own_aicpu(name)
        }

    @property
    def host(self) -> dict[str, int]:
        """Nodes that run on the host's CPU, as Ascend has no kernel for them."""
        return {
            name: count for (name, kind), count in sorted(self.kernels.items()) if kind == "CPU"
        }

    def render(self, style: Style = "text") -> str:
        """Return the report; its first line says by what numbers are computed."""
        level = self.jit_level or "MindSpore's default"
        parts = [
            scope(self.soc, self.computed),
            f"{printable(self.command)}: exit code {self.exit_code}, jit level {level}",
        ]
        if self.refusals:
            parts.append("\n".join(f"refused: {printable(line)}" for line in self.refusals))
        if self.failures:
            parts.append("\n".join(f"not computed: {printable(line)}" for line in self.failures))
        if self.error:
            parts.append(f"its error: {printable(self.error)}")
        if not self.calls:
            parts.append("The command gave the device nothing to do.")
        return "\n\n".join([*parts, *self._tables(style)])

    def to_json(self) -> str:
        """Return the report as JSON."""
        content: dict[str, Any] = {
            "scope": scope(self.soc, self.computed),
            "command": self.command,
            "soc": self.soc,
            "jit_level": self.jit_level,
            "exit_code": self.exit_code,
            "passed": self.passed,
            "kernels": nested(self.kernels),
            "launches": {kind: dict(sorted(self.called(kind).items())) for kind in self.launches},
            "graph_engine": dict(sorted(self.called("ge").items())),
            "aclop_share": round(self.aclop_share, 4),
            "bytes_of_operands": self.moved,
            "casts": self.count(CASTS),
            "format_changes": self.count(FORMAT_CHANGES),
            "operands_in_device_formats": self.device_formats,
            "own_aicpu_operators": self.aicpu,
            "on_the_host": self.host,
            "unknown_operators": self.unknown,
            "computed": self.computed,
            "refusals": list(self.refusals),
            "failures": list(self.failures),
            "error": self.error,
        }
        return json.dumps(content, indent=1)

    def _tables(self, style: Style) -> list[str]:
        parts = []
        if self.kernels:
            parts.append(f"{sum(self.kernels.values())} nodes with a kernel of their own")
            rows = [(*key, count) for key, count in sorted(self.kernels.items())]
            parts.append(render_table(["operator", "kernel", "nodes"], rows, style, left=(0, 1)))
        if self.launches.total():
            parts.append(
                f"{self.launches.total()} launches: {self.launches['aclnn']} of aclnn, "
                f"{self.launches['aclop']} of aclop ({self.aclop_share:.0%}), "
                f"{self.launches['hccl']} exchanges; operands of {self.moved / 1e6:.1f} MB"
            )
            rows = [
                (name, kind, count)
                for kind in self.launches
                for name, count in sorted(self.called(kind).items())
            ]
            parts.append(render_table(["CANN's", "kernel", "launches"], rows, style, left=(0, 1)))
        if engine := self.called("ge"):
            parts.append(f"{sum(engine.values())} nodes in graphs for the graph engine")
            parts.append(render_table(["CANN's", "nodes"], sorted(engine.items()), style))
        if self.calls:
            parts.append(
                f"casts: {self.count(CASTS)}; changes of format: {self.count(FORMAT_CHANGES)}; "
                f"operands in a format of the device: {self.device_formats}; "
                f"MindSpore's own AICPU operators: {_listed(self.aicpu)}; "
                f"on the host's CPU: {_listed(self.host)}"
            )
            parts.append(f"in no table of acmix's networks: {first_few(self.unknown) or 'none'}")
        return parts


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items()) or "none"


def nested(counts: Mapping[tuple[str, str], int]) -> dict[str, dict[str, int]]:
    """Return counts by the first name, then by the second, both sorted."""
    result: dict[str, dict[str, int]] = {}
    for (first, second), count in sorted(counts.items()):
        result.setdefault(first, {})[second] = count
    return result

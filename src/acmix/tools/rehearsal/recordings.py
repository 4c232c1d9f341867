"""What a rehearsal leaves: calls that the stand-ins recorded, and the log of MindSpore."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from acmix.tools.rehearsal.npu.operands import numpy_type

LOG = "log.txt"
"""Standard error of the command."""
LOGS = "mindspore"
"""Folder of MindSpore's logs, with a file for each process."""
OUTPUT = "output.txt"
"""Standard output of the command."""

FAILURES = "failures.txt"
"""What the software NPU could not compute in any process, a line each; npu/device.py writes it."""
FOLDER = "ACMIX_REHEARSAL"
"""Variable that names the folder to the stand-ins of every process."""

KERNEL_KINDS = {
    "opapi_kernel": "aclnn",
    "acl_kernel": "aclop",
    "rt_kernel": "view",
    "hccl_kernel": "HCCL",
    "akg_kernel": "AKG",
}
"""MindSpore's names of the kinds of kernels, and those of this report."""

LAUNCHED = ("aclnn", "aclop", "hccl")
"""Kinds of calls that are launched one by one."""

_START = ".start"  # how many lines of a file of calls do not count

_CHOSEN = re.compile(r"GenerateKernelMod\] kernel opname:(\S+), kernel type:(\S+)")
_FALLBACK = re.compile(r"Try to use backoff CPU kernel, node:(\S+)")
_REFUSED_NODE = re.compile(r"operator selection failed info: .* node is (\S+)")
_OPERATOR = re.compile(r"(\w+)-op\d+$")
# The last line of a traceback, or the error of a command of ours or of argparse.
_NAMED_ERROR = re.compile(
    r"^(?:\w+(?:Error|Exception|Interrupt)\b|acmix.*: error: ).*", re.MULTILINE
)
_REFUSED = re.compile(
    r"operator selection failed info: .*|Unsupported op type list: .*|.*Kernel select failed.*"
)


class Recordings:
    """What a rehearsal left in ``folder``; each file is read once.

    Args:
        folder: of the rehearsal.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def distinct(self) -> list[tuple[dict[str, Any], int]]:
        """The distinct calls of every process, each with its number of times.

        Calls before :func:`start_counting` do not count.
        """
        return list(_recorded(self._folder))

    @cached_property
    def calls(self) -> Counter[tuple[str, str]]:
        """How often an operator was called, by kind and name.

        Kinds are ``aclnn`` and ``aclop``, whose operators are launched one by one, and ``ge``,
        nodes of graphs that the graph engine got as a whole.
        """
        found: Counter[tuple[str, str]] = Counter()
        for call, count in self.distinct:
            found[call["kind"], call["op"]] += count
        return found

    @property
    def kernels(self) -> Counter[tuple[str, str]]:
        """How many nodes of an operator got a kernel of a kind.

        Operators are those after the passes of the back end. Kinds are the values of
        :data:`KERNEL_KINDS`; ``CPU`` where Ascend has no kernel and MindSpore took one of the host;
        ``AICPU`` for MindSpore's own operators on the slow processors of the device.
        """
        # CANN's names may differ in their capitals: Im2Col is CustIm2col.
        own = {op.removeprefix("Cust").lower() for _, op in self.calls if is_own_aicpu(op)}
        found: Counter[tuple[str, str]] = Counter()
        for operator, kind in _CHOSEN.findall(self._logs):
            name = KERNEL_KINDS.get(kind, kind)
            found[operator, "AICPU" if name == "aclop" and operator.lower() in own else name] += 1
        refused = set(_REFUSED_NODE.findall(self._logs))
        for node in set(_FALLBACK.findall(self._logs)) - refused:
            operator = _OPERATOR.search(node)
            found[operator[1] if operator else node, "CPU"] += 1
        return found

    @property
    def formats(self) -> Counter[int]:
        """How many operands of aclop and of graphs are kept in a format, by its number."""
        found: Counter[int] = Counter()
        for call, count in self.distinct:
            for operand in (*call.get("in", ()), *call.get("out", ())):
                described = operand and operand.get("desc", operand)
                if described and "format" in described:
                    found[described.get("storage_format", described["format"])] += count
        return found

    @property
    def moved(self) -> int:
        """The bytes of all operands of the calls that are launched one by one.

        An operand counts once per call, read or written. Operands in the host's memory, and numbers
        that a broadcast repeats, do not count.
        """
        return sum(
            count * sum(_bytes(operand) for operand in _operands(call))
            for call, count in self.distinct
            if call["kind"] in LAUNCHED
        )

    @property
    def refusals(self) -> list[str]:
        """Why the back end refused operators, a line each."""
        texts = (self._logs, _read(self._folder / OUTPUT))
        return sorted({line for text in texts for line in _REFUSED.findall(text)})

    @property
    def failures(self) -> list[str]:
        """What the software NPU could not compute, a line each."""
        return sorted(set(_read(self._folder / FAILURES).splitlines()))

    @property
    def error(self) -> str:
        """The last error that the command named, or empty."""
        named = _NAMED_ERROR.findall(self._logs)
        return named[-1] if named else ""

    @cached_property
    def _logs(self) -> str:
        """All logs: first those of MindSpore, last the command's own."""
        files = sorted((self._folder / LOGS).rglob("*.INFO.*"))
        return "\n".join(map(_read, [*files, self._folder / LOG]))


def is_own_aicpu(operator: str) -> bool:
    """Whether an operator of CANN's name is MindSpore's own on the slow AI CPUs."""
    return operator.startswith("Cust")


def start_counting(folder: Path) -> None:
    """Leave out what was called until now. A rehearsed program calls this, on its own folder."""
    for file in folder.glob("calls-*.jsonl"):
        lines = file.read_bytes().count(b"\n")
        file.with_suffix(_START).write_text(str(lines), encoding="utf-8")


def _recorded(folder: Path) -> Iterator[tuple[dict[str, Any], int]]:
    for file in sorted(folder.glob("calls-*.jsonl")):
        distinct: list[str] = []
        times: Counter[int] = Counter()
        start = int(_read(file.with_suffix(_START)) or 0)
        with open(file, encoding="utf-8", errors="replace") as lines:
            for position, line in enumerate(lines):
                if not line.endswith("\n"):  # the process died while it wrote
                    break
                number = len(distinct) if line.startswith("{") else int(line)
                if number == len(distinct):
                    distinct.append(line)
                times[number] += position >= start
        for index, line in enumerate(distinct):
            if times[index]:
                yield json.loads(line), times[index]


def _operands(call: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for operand in (*call.get("in", ()), *call.get("out", ()), *call.get("args", ())):
        if isinstance(operand, Mapping):
            yield from operand.get("tensors", (operand,) if "shape" in operand else ())


def _bytes(operand: Mapping[str, Any]) -> int:
    if operand.get("host"):
        return 0
    strides = operand.get("strides") or itertools.repeat(1)
    sides = [side for side, stride in zip(operand["shape"], strides, strict=False) if stride]
    return math.prod(sides) * np.dtype(numpy_type(operand["dtype"])).itemsize


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""

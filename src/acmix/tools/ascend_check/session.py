"""State that the steps share: the folder, program calls, and earlier findings."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from acmix.export.formats import FORMATS

_LOGGED = re.compile(r"\[(DEBUG|INFO|WARNING|ERROR|CRITICAL)\]")

TIMEOUT = 3600
"""Seconds after which a program is killed; compiling for Ascend may take many minutes."""


class Skipped(Exception):
    """The step cannot run here; the message names the missing requirement."""


class Failed(Exception):
    """The step ran and found an error; the message describes it."""


@dataclass(frozen=True)
class Finished:
    """Exit code and both streams of a finished program, apart: MindSpore and CANN log into one."""

    code: int
    output: str
    errors: str = ""


Execute = Callable[[Sequence[str]], Finished]


def execute(command: Sequence[str]) -> Finished:
    """Run a program to its end.

    Every step runs in a separate process. A crash inside of CANN must not end the check, and
    MindSpore fixes the device once per process.
    """
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            timeout=TIMEOUT,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Finished(124, "", f"given up after {TIMEOUT} s")
    return Finished(done.returncode, done.stdout, done.stderr)


@dataclass
class Session:
    """One run of the check.

    Attributes:
        folder: folder of runs, exported files, logs and results.
        config: configuration of the smoke training.
        tables: benchmarks to run; None for all on an Ascend device and none elsewhere.
        soc: chip for ATC, such as Ascend910B2; empty for that of npu-smi.
        stand_in: what stands in for the device in a rehearsal; empty on a real machine.
        execute: runs a program.
        device: device target, once known.
        npu: name of the chip, once known.
        facts: facts of ``acmix env``, once known.
        benchmarks: finished benchmarks by name.
        commands: commands of the current step.
    """

    folder: Path
    config: Path
    tables: Sequence[str] | None = None
    soc: str = ""
    stand_in: str = ""
    execute: Execute = execute
    device: str = ""
    npu: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    benchmarks: dict[str, dict[str, Any]] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)

    @property
    def checkpoint(self) -> Path:
        """Weights of the smoke training."""
        return self.folder / "training" / "checkpoints" / "last.ckpt"

    @property
    def place(self) -> str:
        """Where networks run, for findings."""
        return "the stand-in" if self.stand_in and self.device == "Ascend" else self.device

    def exported(self, format: str) -> Path:
        """Return the file of the exported network."""
        return self.folder / f"net{FORMATS[format].suffix}"

    def call(self, *command: str | Path, accepted: tuple[int, ...] = (0,)) -> str:
        """Run a program, append both streams to the log, and return its standard output.

        Raises:
            Failed: its exit code is none of ``accepted``; with the last line that it printed.
        """
        words = [str(word) for word in command]
        self.commands.append(shlex.join(words))
        done = self.execute(words)
        with open(self.folder / "log.txt", "a", encoding="utf-8") as log:
            streams = f"{done.output}\n{done.errors}"
            log.write(f"$ {shlex.join(words)}\n{streams}\n[exit code {done.code}]\n\n")
        if done.code not in accepted:
            told = last_line(done.errors, last_line(done.output))
            raise Failed(f"exit code {done.code}: {told}")
        return done.output

    def acmix(self, *arguments: str | Path, accepted: tuple[int, ...] = (0,)) -> str:
        """Run a command of acmix; see :meth:`call`."""
        return self.call(sys.executable, "-m", "acmix", *arguments, accepted=accepted)

    def tool(self, name: str, source: str) -> str:
        """Return a program's name.

        Raises:
            Skipped: it is not on the PATH, and ``source`` names its origin; or it would load
                the stand-ins in place of CANN's libraries.
        """
        if shutil.which(name) is None:
            raise Skipped(f"{name} is not on the PATH; it comes with {source}")
        if self.stand_in:
            raise Skipped(f"{name} needs CANN's libraries, whose place the stand-in takes")
        return name

    def need(self, file: Path, step: str) -> Path:
        """Return ``file``; skip the step if the step that writes it did not."""
        if not file.is_file():
            raise Skipped(f"step '{step}' left no {file.name}")
        return file

    def need_ascend(self) -> None:
        """Skip the step unless the networks run on an Ascend device."""
        if self.device != "Ascend":
            raise Skipped(f"there is no usable Ascend device, only {self.device or 'nothing'}")


def last_line(output: str, otherwise: str = "no output") -> str:
    """Return the last line that is neither blank nor of MindSpore's log."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    told = [line for line in lines if not _LOGGED.match(line)]
    return told[-1][:300] if told else otherwise

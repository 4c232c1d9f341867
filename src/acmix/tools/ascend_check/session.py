"""What the steps share: a folder, programs to call, and what earlier steps found."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from acmix.export.formats import FORMATS

TIMEOUT = 3600
"""Seconds after which a program is given up: compiling for Ascend may take many minutes."""


class Skipped(Exception):
    """The step cannot be done here; the message says what is missing."""


class Failed(Exception):
    """The step was done and something is wrong; the message says what."""


@dataclass(frozen=True)
class Finished:
    """A program that has ended: its exit code and what it printed on both streams."""

    code: int
    output: str


Execute = Callable[[Sequence[str]], Finished]


def execute(command: Sequence[str]) -> Finished:
    """Run a program to its end.

    A process of its own for every step: a crash inside of CANN ends the step, not the check, and
    MindSpore fixes the device once per process.
    """
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Finished(124, f"given up after {TIMEOUT} s")
    return Finished(done.returncode, done.stdout)


@dataclass
class Session:
    """One run of the check.

    Attributes:
        folder: for runs, exported files, logs and results.
        config: the configuration that is trained.
        tables: benchmarks to run; None for all on an Ascend device and none elsewhere.
        soc: chip for ATC, such as Ascend910B2; empty takes npu-smi's.
        execute: runs a program.
        device: device target, once it is known.
        npu: name of the chip, once it is known.
        facts: of ``acmix env``, once they are known.
        benchmarks: made so far, by name.
        commands: run by the current step.
    """

    folder: Path
    config: Path
    tables: Sequence[str] | None = None
    soc: str = ""
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

    def exported(self, format: str) -> Path:
        """Where the trained network is exported to."""
        return self.folder / f"net{FORMATS[format].suffix}"

    def call(self, *command: str | Path, accepted: tuple[int, ...] = (0,)) -> str:
        """Run a program; return what it printed, which the log keeps.

        Raises:
            Failed: its exit code is none of ``accepted``; with its last line.
        """
        words = [str(word) for word in command]
        self.commands.append(shlex.join(words))
        done = self.execute(words)
        with open(self.folder / "log.txt", "a", encoding="utf-8") as log:
            log.write(f"$ {shlex.join(words)}\n{done.output}\n[exit code {done.code}]\n\n")
        if done.code not in accepted:
            raise Failed(f"exit code {done.code}: {last_line(done.output)}")
        return done.output

    def acmix(self, *arguments: str | Path, accepted: tuple[int, ...] = (0,)) -> str:
        """Run a command of acmix; see :meth:`call`."""
        return self.call(sys.executable, "-m", "acmix", *arguments, accepted=accepted)

    def tool(self, name: str, source: str) -> str:
        """Return a program's name.

        Raises:
            Skipped: it is not on the PATH; ``source`` says where it comes from.
        """
        if shutil.which(name) is None:
            raise Skipped(f"{name} is not on the PATH; it comes with {source}")
        return name

    def need(self, file: Path, step: str) -> Path:
        """Return ``file``; skip unless the step that writes it has passed."""
        if not file.is_file():
            raise Skipped(f"step '{step}' left no {file.name}")
        return file

    def need_ascend(self) -> None:
        """Skip unless the networks run on an Ascend device."""
        if self.device != "Ascend":
            raise Skipped(f"there is no usable Ascend device, only {self.device or 'nothing'}")


def last_line(output: str) -> str:
    """Return the last line that says something."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "no output"

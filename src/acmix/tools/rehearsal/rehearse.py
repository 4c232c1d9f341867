"""Runs a program on the stand-in device, in a child process, and reports what its back end did."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from threading import Thread
from typing import IO, TextIO

from acmix.environment import STAND_IN_COMPUTES, STAND_IN_SOC
from acmix.errors import UserError, check
from acmix.tools.rehearsal.recordings import FOLDER, LOG, LOGS, OUTPUT
from acmix.tools.rehearsal.report import Rehearsal
from acmix.tools.rehearsal.stand_in import environment, stand_in
from acmix.utils.text import printable

SOCS = ("Ascend910B1", "Ascend910A", "Ascend310P3")
"""Chips that the stand-in can report, the default first."""
LEVELS = ("O0", "O1", "O2")

# Which kernel is chosen is logged at level INFO, refusals at WARNING; to files, as each rank has
# one and its lines break.
_LOGGING = {
    "GLOG_v": "2",
    "MS_SUBMODULE_LOG_v": "{DEVICE:1}",
    "GLOG_logtostderr": "0",
    "GLOG_stderrthreshold": "4",
}
# MindSpore's Python logs to standard error all the same.
_LOG_LINES = tuple(f"[{level}] ".encode() for level in ("INFO", "WARNING", "ERROR", "CRITICAL"))


def rehearse(
    program: str,
    arguments: Sequence[str],
    *,
    soc: str = SOCS[0],
    jit_level: str = "",
    computes: bool = True,
    ranks: int = 1,
    simulated: tuple[int, int] | None = None,
    folder: Path | None = None,
) -> Rehearsal:
    """Run a Python program on the stand-in device.

    Its device is Ascend before it starts. What it prints goes to the terminal if it computes; else
    its numbers mean nothing. MindSpore's log does not.

    Args:
        program: name of a module, or a file that ends in ``.py``.
        arguments: of the program.
        soc: one of :data:`SOCS`.
        jit_level: one of :data:`LEVELS`; empty for MindSpore's default for the chip.
        computes: whether operators are computed, by the software NPU; else all numbers are zeros.
        ranks: processes that train together, each on a device of its own; the program is then
            ``acmix`` and its command ``train``.
        simulated: rank and number of ranks of a job of which only this rank exists: MindSpore
            compiles and plans for it, and launches nothing.
        folder: an empty or a new folder for output, log and recorded calls; None to keep none.

    Raises:
        UserError: the stand-ins cannot be built; ``folder`` is not empty; several ranks shall run
            something else than a training.
    """
    if ranks > 1:
        check(
            program == "acmix" and arguments[0] == "train",
            f"--ranks {ranks}: several ranks train together; rehearse 'train', or leave it out.",
        )
        command = _launcher(arguments[1:], jit_level, ranks)
    else:
        command = _child(program, arguments, jit_level)
    with tempfile.TemporaryDirectory() if folder is None else nullcontext(folder) as place:
        kept = Path(place).absolute()
        kept.mkdir(parents=True, exist_ok=True)
        if any(kept.iterdir()):
            raise UserError(f"output: {kept} is not empty, and would mix two rehearsals.")
        variables = variables_of(kept, soc, computes)
        if simulated:
            rank, size = map(str, simulated)
            variables |= {"MS_SIMULATION_LEVEL": "1", "RANK_ID": rank, "RANK_SIZE": size}
        exit_code = _run(command, variables, kept, shows=computes)
        words = shlex.join([program, *arguments])
        return Rehearsal.read(kept, words, soc, jit_level, computes, exit_code)


def variables_of(folder: Path, soc: str = SOCS[0], computes: bool = True) -> dict[str, str]:
    """Return the variables of processes whose device is a stand-in, which records in ``folder``."""
    variables = {
        **environment(os.environ, stand_in()),
        **_LOGGING,
        "GLOG_log_dir": str(folder / LOGS),
        "MS_DEV_SAVE_GRAPHS_PATH": str(folder / LOGS),  # a simulated rank lists its operators there
        FOLDER: str(folder),
        STAND_IN_SOC: soc,
    }
    if computes:
        variables[STAND_IN_COMPUTES] = "1"
    variables.pop("MS_SIMULATION_LEVEL", None)  # would leave out the launches
    return variables


def _child(program: str, arguments: Sequence[str], jit_level: str) -> list[str]:
    module = "acmix.tools.rehearsal.child"
    return [sys.executable, "-m", module, jit_level, program, *arguments]


def _launcher(arguments: Sequence[str], jit_level: str, ranks: int) -> list[str]:
    """Return what scripts/run_distributed.sh runs."""
    options = ["--device", "ascend", "--workers", str(ranks)]
    level = [f"runtime.jit_level={jit_level}"] if jit_level else []
    return [sys.executable, "-m", "acmix.launch", *options, *arguments, *level]


def _run(command: Sequence[str], variables: Mapping[str, str], folder: Path, shows: bool) -> int:
    """Run a command, keep what it writes, and perhaps show it; return its exit code."""
    with subprocess.Popen(
        command,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        streams = ((process.stdout, OUTPUT, sys.stdout), (process.stderr, LOG, sys.stderr))
        copies = [
            Thread(target=_copy, args=(source, folder / name, terminal if shows else None))
            for source, name, terminal in streams
        ]
        for copy in copies:
            copy.start()
        for copy in copies:
            copy.join()
        return process.wait()


def _copy(source: IO[bytes], file: Path, terminal: TextIO | None) -> None:
    """Copy a stream to a file and, without the log of MindSpore, to the terminal."""
    with open(file, "wb", buffering=0) as kept:
        for line in source:
            kept.write(line)
            if terminal and not line.startswith(_LOG_LINES):
                terminal.write(printable(line.decode(errors="replace"), keep="\n\t\r"))
                terminal.flush()

"""One process of a job: how it is started, watched and ended."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from acmix.utils.activity import Board
from acmix.utils.signals import STOP_SIGNALS

MARKER = "ACMIX_JOB"
"""Environment variable of all processes of a job, also of those that its processes start."""

NOTHING_SAVED = frozenset(code for n in STOP_SIGNALS for code in (-n, 128 + n))
"""Exit codes of a process that a signal ended with nothing to save."""

_PR_SET_PDEATHSIG = 1  # of Linux's prctl(2)
_PORTION = 1 << 20
_KILLED_SECONDS = 10
_NOISE = re.compile(
    r"\[INFO\] DISTRIBUTED|\[ERROR\] DISTRIBUTED.*Failed to unregister from the meta server"
)


class JobProcess:
    """A worker or the scheduler, in a session of its own; it dies with this process.

    In the launcher's session Ctrl-C would reach it besides what the launcher sends.

    Args:
        name: in messages, such as ``rank 3``.
        arguments: of the Python interpreter.
        environment: of the process.
        log: file for its output.
        cores: that it may use; None for all.

    Attributes:
        board: what the process tells about itself.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        cores: Sequence[int] | None = None,
    ):
        self.name = name
        self.log = log
        self.board = Board()
        # Open as long as the job: the run folder may be removed or its disk go away.
        self._log = open(log, "w+b", buffering=0)  # noqa: SIM115
        self._shown = 0
        parent = os.getpid()

        def prepare() -> None:
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:  # which has died in the meantime
                os._exit(1)
            if cores is not None:
                os.sched_setaffinity(0, cores)
            for number in (signal.SIGTERM, signal.SIGINT):  # ignored in a shell's background
                signal.signal(number, signal.SIG_DFL)

        self._process = subprocess.Popen(
            [sys.executable, *arguments],
            env={**environment, **self.board.environment()},
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=prepare,
            pass_fds=[self.board.descriptor],
        )
        self.pid = self._process.pid

    @property
    def code(self) -> int | None:
        """Exit code, None while the process runs; a signal's is negative.

        That of the work where the process had told it, even if MindSpore crashed afterwards.
        """
        code = self._process.poll()
        if code is not None and code < 0 and self.has_finished:
            return self.board.activity().code
        return code

    @property
    def has_finished(self) -> bool:
        """Whether its work is done; it may still run."""
        return self.board.activity().code is not None

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.code is None

    @property
    def is_stopped(self) -> bool:
        """Whether SIGSTOP or a debugger holds the process."""
        try:
            return psutil.Process(self.pid).status() in (
                psutil.STATUS_STOPPED,
                psutil.STATUS_TRACING_STOP,
            )
        except psutil.Error:
            return False

    def new_lines(self) -> str:
        """Return the complete lines that it has written since the last call."""
        content = os.pread(self._log.fileno(), _PORTION, self._shown)
        # Complete lines only: the last one may be partly written.
        if len(content) < _PORTION or b"\n" in content:
            content = content[: content.rfind(b"\n") + 1]
        self._shown += len(content)
        return _without_noise(content)

    def last_lines(self) -> str:
        """Return the end of what it has written."""
        descriptor = self._log.fileno()
        size = os.fstat(descriptor).st_size
        return _without_noise(os.pread(descriptor, _PORTION, max(0, size - _PORTION)))

    def ask(self, reason: str) -> None:
        """Ask the process to save and end; a stopped one goes on for that."""
        self.board.request_stop(reason)
        self._send(signal.SIGTERM)
        self._send(signal.SIGCONT)

    def kill(self) -> None:
        """End it, and all in its process group, at once."""
        if self.is_running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            with contextlib.suppress(subprocess.TimeoutExpired):  # in an uninterruptible read
                self._process.wait(_KILLED_SECONDS)

    def close(self) -> None:
        """Close what belongs to an ended process."""
        self._log.close()
        self.board.close()

    def _send(self, number: int) -> None:
        if self.is_running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


def kill_marked(marker: str) -> None:
    """Kill all processes whose environment has ``marker``, whoever their parent is."""
    marked = [process for process in psutil.process_iter() if _marker(process) == marker]
    for process in marked:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(marked, timeout=5)


def _marker(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(MARKER)
    except (psutil.Error, OSError):
        return None


def _without_noise(content: bytes) -> str:
    lines = content.decode("utf-8", errors="replace").splitlines(keepends=True)
    return "".join(line for line in lines if not _NOISE.match(line))

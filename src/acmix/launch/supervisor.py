"""Run msrun: show the first worker's log, forward signals, report the worker that failed."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TextIO

import psutil

from acmix.launch.job import Job

_POLL_SECONDS = 0.2
_SHOWN_LINES = 12
_USER_ERROR = 2  # exit code of acmix for a UserError, whose message contains the remedy
_PR_SET_PDEATHSIG = 1  # of Linux's prctl(2)
_NOISE = "[INFO] DISTRIBUTED"
_FOR_FRAMEWORK_DEVELOPERS = re.compile(r"\n-+\n- C\+\+ Call Stack.*", re.DOTALL)
_FAILURE = re.compile(r"Worker process (\d+) exit with exception\. Error code: (-?\d+)")


def launch(job: Job, arguments: Sequence[str], log_dir: Path, console: TextIO = sys.stdout) -> int:
    """Run ``python *arguments`` in every worker of this node until all have ended.

    SIGTERM, SIGINT and, unless it is ignored (``nohup``), SIGHUP are forwarded to the workers as
    SIGTERM. Training then saves and ends after a step; a second signal kills the workers. A closed
    console (``tee`` after Ctrl-C) does not end the job. On Linux the workers die with this
    process; otherwise a restart with ``--resume auto`` would put two jobs into one folder.

    Args:
        job: the processes to start.
        arguments: of the interpreter.
        log_dir: folder for ``worker_<rank>.log``, ``scheduler.log`` and ``msrun.log``.
        console: receives the log of the first worker of this node, and error reports.

    Returns:
        0 if all workers of this node succeeded, else 1; the console then names the failed rank.
    """
    log_dir.mkdir(parents=True, exist_ok=True)
    return _Supervisor(job, arguments, log_dir, console).run()


class _Supervisor:
    """One call of :func:`launch`."""

    def __init__(self, job: Job, arguments: Sequence[str], log_dir: Path, console: TextIO):
        self.job = job
        self.log_dir = log_dir
        self.console = console
        self.rank_of: dict[int, int] = {}
        self.scheduler: int | None = None
        self.failed: tuple[int, int] | None = None  # process id, exit code
        self.signals = 0
        self.signalled: set[int] = set()
        self.output = log_dir / "msrun.log"
        with open(self.output, "w", encoding="utf-8") as file:
            # In the same session Ctrl-C would reach msrun, which kills the workers at once.
            self.msrun = subprocess.Popen(
                job.command(arguments, log_dir),
                env=job.environment(),
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,
            )
        self.worker_log = _Follower(self._log_of(job.ranks[0]))
        self.msrun_log = _Follower(self.output)

    def run(self) -> int:
        """Supervise until msrun ends; return the exit code of :func:`launch`."""
        before = {number: signal.signal(number, self._count_signal) for number in _signals()}
        try:
            while self.msrun.poll() is None:
                self._poll()
                time.sleep(_POLL_SECONDS)
            self._poll()
        finally:
            self._kill()  # if this process itself fails
            for number, handler in before.items():
                signal.signal(number, handler)
        if self.signals > 1 and self.msrun.returncode != 0:
            self._print(
                "killed by a second signal; --resume auto goes on from the last checkpoint."
            )
            return 1
        if self.failed is not None:
            self._report(*self.failed)
            return 1
        if self.msrun.returncode != 0 and not self._only_a_second_scheduler():
            self._print(f"The job failed; see {self.output} and {self.log_dir}/scheduler.log.")
            return 1
        return 0

    def _count_signal(self, number: int, frame: FrameType | None) -> None:
        self.signals += 1

    def _poll(self) -> None:
        """Copy new log lines to the console, detect failures and forward signals."""
        self._identify()
        self._write(self.worker_log.read())
        found = _FAILURE.search(self.msrun_log.read())
        if found and self.failed is None:
            self.failed = (int(found[1]), int(found[2]))
            # msrun waits for its scheduler, which waits for heartbeats of the failed process. On
            # several nodes this is necessary: the scheduler notifies the other nodes.
            if self.job.nodes == 1 and self.scheduler is not None:
                _send(self.scheduler, signal.SIGKILL)
        if self.signals > 1:
            self._kill()
        elif self.signals == 1:
            for pid in set(self.rank_of) - self.signalled:
                self.signalled.add(pid)
                _send(pid, signal.SIGTERM)

    def _identify(self) -> None:
        """Map msrun's processes to ranks."""
        if len(self.rank_of) == self.job.workers:
            return
        for process in _children(self.msrun.pid):
            try:
                environment = process.environ()
            except psutil.Error:
                continue
            role = environment.get("MS_ROLE")
            if role == "MS_WORKER":
                self.rank_of[process.pid] = int(environment["MS_NODE_ID"])
            elif role == "MS_SCHED":
                self.scheduler = process.pid

    def _only_a_second_scheduler(self) -> bool:
        """Whether msrun failed only because of a scheduler that was not needed.

        Every launcher on the master's machine starts a scheduler; all but one find the port in
        use. msrun checks its scheduler after all workers have succeeded.
        """
        text = self.output.read_text(encoding="utf-8", errors="replace")
        return self.job.nodes > 1 and "Scheduler process" in text

    def _report(self, pid: int, code: int) -> None:
        """Print which process failed, how, and the end of its log."""
        rank = self.rank_of.get(pid)
        who = f"process {pid}" if rank is None else f"rank {rank}"
        how = f"ended with exit code {code}"
        if code == -signal.SIGTERM and self.signals:
            self._print(f"{who} was ended by the signal: its training had not begun.")
            return
        if code < 0:
            how = f"was killed by {signal.Signals(-code).name}"
        if code == -signal.SIGKILL:
            how += " (by somebody, or by the system for lack of memory)"
        remedy = "" if code == _USER_ERROR else " Train on with --resume auto."
        self._print(f"{who} {how}; the job is stopped.{remedy}")
        if rank is not None:
            log = self._log_of(rank)
            self._print(f"The end of {log}:")
            text = _FOR_FRAMEWORK_DEVELOPERS.sub("", _Follower(log).read())
            self._write("".join(text.splitlines(keepends=True)[-_SHOWN_LINES:]))
        if self.job.nodes > 1:
            self._print(
                "Should that be a failed exchange (AllReduce, AllGather, Broadcast) or a state of "
                "the cluster, a worker of another node was lost: the launcher of that node names "
                "it."
            )

    def _print(self, text: str) -> None:
        self._write(f"acmix launch: {text}\n")

    def _write(self, text: str) -> None:
        try:
            self.console.write(text)
            self.console.flush()
        except OSError:  # or flushing the buffer at exit would fail too
            os.dup2(os.open(os.devnull, os.O_WRONLY), self.console.fileno())

    def _log_of(self, rank: int) -> Path:
        return self.log_dir / f"worker_{rank}.log"

    def _kill(self) -> None:
        if self.msrun.poll() is not None:
            return
        for pid in [*(process.pid for process in _children(self.msrun.pid)), self.msrun.pid]:
            _send(pid, signal.SIGKILL)
        self.msrun.wait()


class _Follower:
    """Reads the lines added to a log since the last call, without MindSpore's INFO lines."""

    def __init__(self, path: Path):
        self.path = path
        self.position = 0

    def read(self) -> str:
        """Return the new complete lines."""
        if not self.path.exists():
            return ""
        with open(self.path, "rb") as file:
            file.seek(self.position)
            content = file.read()
        # Complete lines only: the last one may be partly written.
        content = content[: content.rfind(b"\n") + 1]
        self.position += len(content)
        lines = content.decode("utf-8", errors="replace").splitlines(keepends=True)
        return "".join(line for line in lines if not line.startswith(_NOISE))


def _die_with_parent() -> None:
    """Make the kernel send SIGINT when the parent dies; msrun then kills its workers."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


def _signals() -> list[signal.Signals]:
    """Return the signals that stop the job. A terminal sends SIGHUP when it is closed."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return [signal.SIGTERM, signal.SIGINT, *([] if ignored else [signal.SIGHUP])]


def _children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children()
    except psutil.Error:
        return []


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)

"""Start the processes of a job, let them save and end after a signal, report what failed."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TextIO

from acmix.errors import check
from acmix.launch.job import Job
from acmix.launch.process import MARKER, NOTHING_SAVED, JobProcess, kill_marked
from acmix.launch.progress import Watch, describe
from acmix.utils.reading import unusable
from acmix.utils.signals import StopRequest, stop_signals
from acmix.utils.text import first_few, printable

GRACE_SECONDS = 60.0
"""Default time for saving and ending after a signal."""
NOTICE_SECONDS = 300.0
"""Default time without progress after which the launcher names the rank that holds up the job."""

_POLL_SECONDS = 0.1
_WATCH_SECONDS = 1.0
_ENDING_SECONDS = 10.0  # for the end of a process whose work is done
_SCHEDULER_GONE_SECONDS = 2.0
_UNSAVED_SECONDS = 10.0  # for the others, where one has ended without saving
_SHOWN_LINES = 12
_USER_ERROR = 2  # exit code of acmix for a UserError, whose message contains the remedy
_GO_ON = "--resume auto goes on from the last checkpoint."
_FOR_FRAMEWORK_DEVELOPERS = re.compile(r"\n-+\n- C\+\+ Call Stack.*", re.DOTALL)


def launch(
    job: Job,
    arguments: Sequence[str],
    log_dir: Path,
    console: TextIO | None = None,
    *,
    grace: float = GRACE_SECONDS,
    notice: float = NOTICE_SECONDS,
    stall_limit: float | None = None,
) -> int:
    """Run ``python *arguments`` in every worker of this node until all have ended.

    This process owns all others: whatever ends, no worker stays. SIGTERM, SIGINT and, unless it is
    ignored (``nohup``), SIGHUP to this process, to a worker or to the scheduler ask all workers to
    save and end. What has not ended after ``grace`` seconds is killed, and by a second signal at
    once. On Linux the kernel kills the others when this process is killed.

    Args:
        job: the processes to start.
        arguments: of the interpreter.
        log_dir: folder for ``worker_<rank>.log`` and ``scheduler.log``.
        console: receives the log of the first worker of this node, and reports; by default standard
            output. One that is closed or full ends nothing.
        grace: seconds for saving and ending after a signal.
        notice: seconds without progress after which the rank that the others wait for is named.
        stall_limit: seconds without progress after which the job is ended; None: never.

    Returns:
        0 if all workers of this node succeeded or saved after a signal, else 1; the console then
        names what failed.

    Raises:
        UserError: the logs cannot be written, or a number of seconds is not positive.
    """
    check(grace > 0, f"--grace must be positive, got {grace:g}.")
    check(stall_limit is None or stall_limit > 0, f"--end-after must be positive: {stall_limit}.")
    try:
        log_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unusable(f"output: the folder of the logs, {log_dir}", error) from error
    supervisor = _Supervisor(job, log_dir, console or sys.stdout, grace, stall_limit)
    with _received_by(supervisor.signals):
        try:
            supervisor.start(arguments, notice)
            return supervisor.run()
        finally:
            supervisor.end()


@contextmanager
def _received_by(request: StopRequest) -> Iterator[None]:
    """Let ``request`` receive the signals that would end this process."""

    def receive(number: int, frame: FrameType | None) -> None:
        request.receive(number)

    before = {number: signal.signal(number, receive) for number in stop_signals()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Supervisor:
    """One call of :func:`launch`."""

    def __init__(
        self, job: Job, log_dir: Path, console: TextIO, grace: float, stall_limit: float | None
    ):
        self.job = job
        self.log_dir = log_dir
        self.console = console
        self.grace = grace
        self.stall_limit = stall_limit
        self.signals = StopRequest()
        self.marker = uuid.uuid4().hex
        self.scheduler: JobProcess | None = None
        self.workers: list[JobProcess] = []
        self.stop: str | None = None  # why the workers were asked to stop
        self.deadline = float("inf")
        self.failed: JobProcess | None = None
        self.lost_scheduler = False
        self.late: str | None = None  # what had not ended in time
        self._next_look = 0.0
        self._finished_at = float("inf")

    @property
    def running(self) -> list[JobProcess]:
        """Workers that have not ended."""
        return [worker for worker in self.workers if worker.is_running]

    def start(self, arguments: Sequence[str], notice: float) -> None:
        """Start the scheduler, on the first node, and the workers."""
        environment = self.job.environment() | {MARKER: self.marker}
        try:
            if self.job.node_rank == 0:
                own = environment | self.job.scheduler_environment()
                log = self.log_dir / "scheduler.log"
                self.scheduler = JobProcess("the scheduler", arguments, own, log)
            for rank, cores in zip(self.job.ranks, self.job.cores(), strict=True):
                own = environment | self.job.worker_environment(rank)
                log = self.log_dir / f"worker_{rank}.log"
                self.workers.append(JobProcess(f"rank {rank}", arguments, own, log, cores))
        except OSError as error:
            raise unusable(f"output: the folder of the logs, {self.log_dir}", error) from error
        self.watch = Watch(self.workers, notice)

    def run(self) -> int:
        """Supervise until all workers have ended; return the exit code of :func:`launch`."""
        while self.running and self.failed is None:
            self._poll()
            time.sleep(_POLL_SECONDS)
        self._find_failure()
        self._kill_workers()
        self._show()
        code = self._conclude()
        self._wait_for_other_nodes()
        return code

    def end(self) -> None:
        """Leave nothing behind."""
        processes = [*self.workers, *([self.scheduler] if self.scheduler else [])]
        for process in processes:
            process.kill()
        kill_marked(self.marker)
        for process in processes:
            process.close()

    def _poll(self) -> None:
        """Copy new log lines to the console; react to signals, ends and hang-ups."""
        self._show()
        self._find_failure()
        self._find_stop()
        self._end_finished()
        if self.signals.insisting:
            self._kill_workers()
        elif time.monotonic() > self.deadline:
            late = first_few([describe(worker) for worker in self.running])
            self.late = f"after {self.stop}, not ended within {self.grace:g} s and killed: {late}."
            self._kill_workers()
        elif time.monotonic() > self._next_look and self.stop is None:
            self._next_look = time.monotonic() + _WATCH_SECONDS
            self._look()

    def _find_failure(self) -> None:
        """Note the first process that ended in another way than by success or a signal."""
        if self.failed is not None or self.signals.insisting or self.late is not None:
            return
        for worker in self.workers:
            if worker.code is not None and worker.code not in NOTHING_SAVED | {0}:
                self.failed = worker
                return

    def _find_stop(self) -> None:
        """Ask the workers to stop if this process, a worker or the scheduler got a signal."""
        if self.signals.name is not None:
            self._request_stop(self.signals.name)
        for worker in self.workers:
            if worker.code in NOTHING_SAVED:  # the others cannot go on, nor save
                self._request_stop(f"a signal to {worker.name}")
                self.deadline = min(self.deadline, time.monotonic() + _UNSAVED_SECONDS)
            elif worker.is_running and (name := worker.board.signal()):
                self._request_stop(name if self.job.nodes == 1 else f"{name} to {worker.name}")
        if self.scheduler is not None and self.scheduler.code is not None and self.running:
            self._scheduler_ended(self.scheduler)

    def _scheduler_ended(self, scheduler: JobProcess) -> None:
        if scheduler.code == 0 or self.stop is not None:  # 0: all ranks have left the cluster
            return
        self.lost_scheduler = scheduler.code not in NOTHING_SAVED
        if self.lost_scheduler:
            self._print(f"{scheduler.name} {_how(scheduler)}; the workers save and end.")
            self._request_stop("the end of the scheduler")
        else:
            self._request_stop("a signal to the scheduler")

    def _end_finished(self) -> None:
        """Kill what hangs after its work: MindSpore waits for a scheduler that has died."""
        if not all(worker.has_finished for worker in self.workers):
            return
        self._finished_at = min(self._finished_at, time.monotonic())
        is_gone = self.scheduler is not None and not self.scheduler.is_running
        seconds = _SCHEDULER_GONE_SECONDS if is_gone else _ENDING_SECONDS
        if time.monotonic() - self._finished_at > seconds:
            self._kill_workers()

    def _request_stop(self, reason: str) -> None:
        if self.stop is not None:
            return
        self.stop = reason
        self.deadline = time.monotonic() + self.grace
        for worker in self.running:
            worker.ask(reason)

    def _look(self) -> None:
        """Report a job that hangs, and end it after the limit."""
        report = self.watch.report()
        if report is not None:
            self._print(report + (" Or another node does." if self.job.nodes > 1 else ""))
        if self.stall_limit is not None and self.watch.seconds > self.stall_limit:
            self.late = (
                f"ended after {self.stall_limit:g} s without progress: {self.watch.blame()}."
            )
            self._kill_workers()

    def _wait_for_other_nodes(self) -> None:
        """Wait for the scheduler: it tells other nodes what it misses, or waits for their end."""
        if self.job.nodes == 1 or self.scheduler is None:
            return
        patience = time.monotonic() + 2 * self.job.node_timeout
        while self.scheduler.is_running and time.monotonic() < patience:
            if self.signals.insisting:
                return
            time.sleep(_POLL_SECONDS)

    def _show(self) -> None:
        """Copy the new lines of this node's first worker to the console."""
        while lines := self.workers[0].new_lines():
            self._write(printable(lines, keep="\n\t"))

    def _kill_workers(self) -> None:
        for worker in self.running:
            worker.kill()

    def _conclude(self) -> int:
        """Say how the job ended; return the exit code."""
        if self.signals.insisting and any(worker.code for worker in self.workers):
            self._print(f"killed by a second signal; {_GO_ON}")
            return 1
        if self.failed is not None:
            self._report(self.failed)
            return 1
        unsaved = [worker for worker in self.workers if worker.code in NOTHING_SAVED]
        if unsaved:
            self._report_unsaved(unsaved)
            return 1
        if self.late is not None:
            lost = " MindSpore sends SIGTERM when a machine is lost: see the other launchers."
            self._print(f"{self.late} {_GO_ON}{lost if self.job.nodes > 1 else ''}")
            return 1
        return int(self.lost_scheduler)

    def _report(self, worker: JobProcess) -> None:
        """Print which process failed, how, and the end of its log."""
        remedy = "" if worker.code == _USER_ERROR else f" {_GO_ON}"
        self._print(f"{worker.name} {_how(worker)}; the job is stopped.{remedy}")
        self._print(f"The end of {printable(worker.log)}:")
        text = _FOR_FRAMEWORK_DEVELOPERS.sub("", worker.last_lines())
        self._write(printable("".join(text.splitlines(keepends=True)[-_SHOWN_LINES:]), keep="\n\t"))
        if self.job.nodes > 1:
            self._print(
                "Should that be a failed exchange (AllReduce, AllGather, Broadcast) or a state of "
                "the cluster, a worker of another node was lost: the launcher of that node names "
                "it."
            )

    def _report_unsaved(self, unsaved: Sequence[JobProcess]) -> None:
        names = first_few([worker.name for worker in unsaved])
        if any(worker.board.activity().step for worker in self.workers):
            self._print(f"{names} was ended by {self.stop} before it could save; {_GO_ON}")
        else:
            self._print(
                f"{names} was ended by {self.stop}: training had not begun, and there was nothing "
                "to save."
            )

    def _print(self, text: str) -> None:
        self._write(f"acmix launch: {text}\n")

    def _write(self, text: str) -> None:
        try:
            self.console.write(text)
            self.console.flush()
        except (OSError, ValueError):  # the reader is gone, the disk is full, it was closed
            # Flushing the buffer at exit would fail too.
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), self.console.fileno())


def _how(process: JobProcess) -> str:
    code = process.code or 0
    if code >= 0:
        return f"ended with exit code {code}"
    how = f"was killed by {signal.Signals(-code).name}"
    if code == -signal.SIGKILL:
        how += " (by somebody, or by the system for lack of memory)"
    return how

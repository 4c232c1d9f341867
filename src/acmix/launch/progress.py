"""Which rank the others wait for, when a job makes no progress."""

from __future__ import annotations

import time
from collections.abc import Sequence

from acmix.errors import check
from acmix.launch.process import JobProcess
from acmix.utils.activity import Activity
from acmix.utils.text import first_few

STOPPED_SECONDS = 5.0
"""Time after which a process that SIGSTOP holds is named."""


class Watch:
    """Tells when no worker's activity has changed for a while, and which one is to blame.

    Being slow is no failure: a disk, an evaluation or a compilation may take minutes. The report
    is therefore repeated only when the time has doubled.

    Args:
        workers: of this node.
        notice: seconds without progress before the first report.
    """

    def __init__(self, workers: Sequence[JobProcess], notice: float):
        check(notice > 0, f"--notice-after must be positive, got {notice:g}.")
        self.workers = workers
        self.notice = notice
        self._seen: list[Activity] = []
        self._changed = time.monotonic()
        self._next = notice
        self._held: dict[str, float] = {}
        self._told: set[str] = set()

    @property
    def seconds(self) -> float:
        """Time since the last progress."""
        return time.monotonic() - self._changed

    def report(self) -> str | None:
        """Return what is to be said now; call it about every second."""
        activities = [worker.board.activity() for worker in self.workers]
        if activities != self._seen:
            self._seen, self._changed, self._next = activities, time.monotonic(), self.notice
        stopped = self._newly_stopped()
        if stopped:
            return f"{first_few(stopped)} is stopped by SIGSTOP; the job waits until it goes on."
        if self.seconds < self._next:
            return None
        self._next = 2 * self.seconds
        return f"no progress for {_duration(self.seconds)}: {self.blame()}."

    def blame(self) -> str:
        """Say which workers the others wait for, and what they are doing."""
        running = [worker for worker in self.workers if worker.is_running]
        blamed = _blamed(running)
        text = first_few([describe(worker) for worker in blamed])
        return text if len(blamed) == len(running) else f"{text}; the other ranks wait"

    def _newly_stopped(self) -> list[str]:
        """Return the workers that have been stopped for some seconds and were not named yet."""
        now = time.monotonic()
        held = {worker.name for worker in self.workers if worker.is_running and worker.is_stopped}
        self._held = {name: self._held.get(name, now) for name in held}
        self._told &= held
        new = {name for name, since in self._held.items() if now - since >= STOPPED_SECONDS}
        new -= self._told
        self._told |= new
        return sorted(new)


def describe(worker: JobProcess) -> str:
    """Return name and activity of a worker."""
    activity = worker.board.activity()
    held = ", stopped by SIGSTOP" if worker.is_stopped else ""
    return f"{worker.name} ({activity.what}{held})"


def _blamed(running: Sequence[JobProcess]) -> Sequence[JobProcess]:
    """Return those that hold the others up; all where that cannot be seen."""
    stopped = [worker for worker in running if worker.is_stopped]
    activities = {worker.name: worker.board.activity() for worker in running}
    alone = [worker for worker in running if not activities[worker.name].meets]
    if stopped or alone:
        return stopped or alone
    first = min(activities[worker.name].step for worker in running)
    return [worker for worker in running if activities[worker.name].step == first]


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} minutes"

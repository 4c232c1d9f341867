"""Graceful stop: after a signal, work ends where nothing is lost."""

from __future__ import annotations

import _thread
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NoReturn

from acmix.utils.activity import has_launcher, report_signal, requested_stop
from acmix.utils.signals import StopRequest, name_of, stop_signals

BEFORE_TRAINING = "before the first step: there is nothing to save"

PROMPT_SECONDS = 5.0
"""Time for leaving MindSpore's C++ code where a signal ends the process at once."""


class Interrupted(KeyboardInterrupt):
    """A signal ended the work at a place where nothing had to be saved.

    Attributes:
        name: of the signal.
        code: exit code of the program, 128 and the number of the signal.
    """

    def __init__(self, name: str, number: int, where: str):
        super().__init__(f"Stopped by {name} {where}.")
        self.name = name
        self.code = 128 + number


class Interruption:
    """Records SIGTERM, SIGINT and SIGHUP in its ``with`` block instead of ending the process.

    A second signal, which comes a second later, has its usual effect, except under
    :mod:`acmix.launch`, which kills its processes itself. Outside the main thread, where Python
    handles no signals, nothing changes. The block may be entered again inside.

    MindSpore turns SIGINT into SIGTERM while it compiles. If the block is entered before MindSpore
    is imported, SIGINT does not reach it, and Ctrl-C can be told from SIGTERM.

    Attributes:
        signal: name of the received signal, ``Ctrl-C`` for SIGINT; None.
    """

    def __init__(self) -> None:
        self._request = StopRequest()
        self._at_once: str | None = None
        self._exits = False
        self._depth = 0
        self._before: dict[signal.Signals, Any] = {}
        self._leave: list[Callable[[], None]] = []

    @property
    def signal(self) -> str | None:
        """Name of the received signal."""
        return self._request.name

    def __enter__(self) -> Interruption:
        self._depth += 1
        if self._depth == 1 and threading.current_thread() is threading.main_thread():
            self._handle()
            # Before any thread, which inherit the mask.
            if "mindspore" not in sys.modules and hasattr(signal, "sigwait"):
                self._leave.append(_keep_ctrl_c())
            self._leave.append(_listen(self._arrived))
        return self

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if self._depth == 0:
            for leave in self._leave:
                leave()
            self._leave = []
            self._restore()

    @contextmanager
    def ending_at_once(self, where: str, *, exits: bool = False) -> Iterator[None]:
        """Let a signal raise :class:`Interrupted` in the block, in which nothing is to be saved.

        Where MindSpore does not return to Python in time, the process ends.

        Args:
            where: for the message, behind "Stopped by Ctrl-C".
            exits: print the message and end the process instead: MindSpore aborts with a trace
                when an exception comes out of its import.
        """
        before = self._at_once, self._exits
        self._at_once, self._exits = where, exits
        try:
            self.check(where)
            yield
        except Exception as error:
            self.check(where, error)  # MindSpore wraps what is raised inside
            raise
        finally:
            self._at_once, self._exits = before

    def check(self, where: str, cause: Exception | None = None) -> None:
        """Raise :class:`Interrupted` if there was a signal."""
        if self.signal is not None:
            raise self.interrupted(where) from cause

    def interrupted(self, where: str) -> Interrupted:
        """Return what ends the work, after a signal to this process or to another rank."""
        name = self.signal or "a signal to another rank"
        return Interrupted(name, self._request.number or signal.SIGTERM, where)

    @contextmanager
    def ending_by_default(self) -> Iterator[None]:
        """Let a signal kill the process in the block, also inside MindSpore's C++ code."""
        if not self._before or not hasattr(signal, "pthread_sigmask"):
            yield
            return
        blocked = signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        for number in self._before:
            signal.signal(number, signal.SIG_DFL)
        try:
            yield
        finally:
            for number in self._before:
                signal.signal(number, self._record)
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)

    def _handle(self) -> None:
        self._before = {number: signal.signal(number, self._record) for number in stop_signals()}

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _record(self, number: int, frame: FrameType | None) -> None:
        first = self._request.receive(number, requested_stop())
        if first and self._at_once is not None:
            if self._exits:
                _exit(self.interrupted(self._at_once))
            self.check(self._at_once)
        if self._request.insisting and not has_launcher():
            self._restore()
            signal.raise_signal(number)

    def _arrived(self, number: int) -> None:
        """React in a thread of its own: the main one may be inside MindSpore for long."""
        if number not in self._before:
            return
        name = requested_stop() or name_of(number)
        report_signal(name)
        if self._at_once is None:
            return
        time.sleep(PROMPT_SECONDS)
        where = self._at_once
        if where is not None and self.signal is None:
            _exit(Interrupted(name, number, where))


def _exit(stop: Interrupted) -> NoReturn:
    with suppress(OSError, ValueError):
        print(stop, flush=True)
    os._exit(stop.code)


def _listen(arrived: Callable[[int], None]) -> Callable[[], None]:
    """Call ``arrived`` in a thread with every signal; return what ends that."""
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)

    def wait() -> None:
        with reader:
            while number := reader.recv(1):
                arrived(number[0])

    def leave() -> None:
        signal.set_wakeup_fd(before)
        writer.close()

    threading.Thread(target=wait, name="signals", daemon=True).start()
    return leave


def _keep_ctrl_c() -> Callable[[], None]:
    """Take SIGINT from all threads that start later, and pass it on to Python's handler.

    Returns:
        What ends that.
    """
    numbers = {signal.SIGINT}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    left = threading.Event()

    def wait() -> None:
        # Not sigtimedwait: where Ctrl-Z stops the process for longer than its timeout, Python 3.11
        # takes its return for a signal.
        while signal.sigwait(numbers) and not left.is_set():
            _thread.interrupt_main(signal.SIGINT)

    thread = threading.Thread(target=wait, name="ctrl-c", daemon=True)

    def leave() -> None:
        left.set()
        signal.pthread_kill(thread.ident, signal.SIGINT)  # type: ignore[arg-type]  # started
        thread.join()
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

    thread.start()
    return leave

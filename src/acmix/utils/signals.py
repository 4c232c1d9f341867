"""Signals by which a user, a terminal or a scheduler of jobs ends a program."""

from __future__ import annotations

import signal
import time

SAME_REQUEST_SECONDS = 1.0
"""Signals that follow within this time are the same request: ``timeout``, a terminal that closes
and some schedulers of clusters send several at once."""


def name_of(number: int) -> str:
    """Return the name of a signal as who sends it knows it."""
    return "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name


def stop_signals() -> list[signal.Signals]:
    """Return the signals that end a program. A terminal sends SIGHUP when it is closed."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # by nohup
    return [signal.SIGTERM, signal.SIGINT, *([] if ignored else [signal.SIGHUP])]


class StopRequest:
    """The first signal that asks a program to stop, and whether a later one insists on it.

    Attributes:
        name: of the first signal; None before.
        number: of the first signal; 0 before.
        insisting: whether another request came later.
    """

    def __init__(self) -> None:
        self.name: str | None = None
        self.number = 0
        self.insisting = False
        self._first = 0.0

    def receive(self, number: int, name: str | None = None) -> bool:
        """Note a signal; return whether it is the first.

        Args:
            number: of the signal.
            name: of what was the cause; None for that of the signal.
        """
        if self.name is not None:
            self.insisting |= time.monotonic() - self._first >= SAME_REQUEST_SECONDS
            return False
        self._first = time.monotonic()
        self.number, self.name = number, name or name_of(number)
        return True

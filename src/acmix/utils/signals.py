"""Signals by which a user, a terminal or a scheduler of jobs ends a program."""

from __future__ import annotations

import signal
import time

_NAMES = ("SIGTERM", "SIGINT", "SIGHUP")
STOP_SIGNALS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
"""Signals that end a program. A terminal sends SIGHUP when it is closed; Windows has none."""

SAME_REQUEST_SECONDS = 1.0
"""Signals that follow within this time are the same request: ``timeout``, a terminal that closes
and some schedulers of clusters send several at once."""


def name_of(number: int) -> str:
    """Return the name of a signal as who sends it knows it."""
    return "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name


def stop_signals() -> list[signal.Signals]:
    """Return :data:`STOP_SIGNALS`, without SIGHUP if it is ignored, as under ``nohup``."""
    ignored = {number for number in STOP_SIGNALS if signal.getsignal(number) is signal.SIG_IGN}
    # A shell lets what runs in its background ignore SIGINT, which may be sent all the same.
    return [number for number in STOP_SIGNALS if number not in ignored - {signal.SIGINT}]


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

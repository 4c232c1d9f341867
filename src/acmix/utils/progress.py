"""How far work is: one line on a terminal, or a line in the log now and then."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from tqdm import tqdm

logger = logging.getLogger(__name__)

LOG_SECONDS = 30.0
"""Time between two lines in the log, where standard error is no terminal."""

_TICK_SECONDS = 1.0
_COLUMNS, _ROWS = 80, 24
T = TypeVar("T")


class ProgressLine:
    """Title, bar, and a note; used as a context, which removes the line from the terminal.

    A thread renews the line, so that its clock also runs while MindSpore compiles. Without a
    terminal the thread logs the line every :data:`LOG_SECONDS`.

    Args:
        title: what is done, in front of the bar.
        total: number of steps; None shows a clock instead of a bar.
        done: number of steps that are done.
        shown: whether to show anything, such as on the first rank only.
        ticking: whether the thread runs, which would disturb a measurement.
        notice: returns a text that takes the place of the note, or None.

    Attributes:
        title: see above.
        done: see above.
        note: text behind the bar.
    """

    def __init__(
        self,
        title: str,
        total: int | None = None,
        done: int = 0,
        *,
        shown: bool = True,
        ticking: bool = True,
        notice: Callable[[], str | None] = lambda: None,
    ):
        self.title, self.done, self.note = title, done, ""
        self._total, self._notice = total, notice
        self._shown, self._ticking = shown, ticking
        self._bar: tqdm[Any] | None = None
        self._phase: tuple[str, float] | None = None
        self._start = self._logged = time.monotonic()
        self._first: tuple[int, float] | None = None
        self._ended = threading.Event()
        self._open = ExitStack()

    def __enter__(self) -> ProgressLine:
        if not self._shown:
            return self
        if sys.stderr.isatty():
            self._open_bar()
        if self._ticking:
            ticker = threading.Thread(target=self._tick, name="progress", daemon=True)
            ticker.start()
            self._open.callback(ticker.join)
            self._open.callback(self._ended.set)
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def advance(self, steps: int = 1) -> None:
        """Count finished steps."""
        self.done += steps
        if self._first is None:
            self._first = self.done, time.monotonic()
        if self._bar is not None:
            self._bar.bar_format = self._layout()
            self._bar.update(steps)  # draws at most ten times a second
        else:
            self._log_now_and_then()

    @contextmanager
    def phase(self, what: str, *, announced: bool = False) -> Iterator[Callable[[str], None]]:
        """Show ``what`` and its seconds as the note inside the block.

        The block is given a function that changes the text.

        Args:
            what: such as ``"compiling the training step"``.
            announced: whether the log tells begin and end, where there is no terminal.
        """
        start = time.monotonic()
        self._phase = (what, start)
        announced = announced and self._shown and self._bar is None
        if announced:
            self._log(f"{what} ...")
        else:
            self._draw()

        def tell(other: str) -> None:
            self._phase = (other, start)

        try:
            yield tell
        finally:
            self._phase = None
        if announced:
            self._log(f"{what}: done in {clock(time.monotonic() - start)}")

    def _open_bar(self) -> None:
        from tqdm import tqdm  # on use: processes that read images show none
        from tqdm.contrib.logging import logging_redirect_tqdm

        self._open.enter_context(logging_redirect_tqdm())
        self._bar = tqdm(
            total=self._total, initial=self.done, leave=False, ncols=_columns(), nrows=_ROWS,
            bar_format=self._layout(), file=sys.stderr,
        )  # fmt: skip
        self._open.callback(self._bar.close)

    def _tick(self) -> None:
        while not self._ended.wait(_TICK_SECONDS):
            self._draw()
            self._log_now_and_then()

    def _log_now_and_then(self) -> None:
        if self._shown and self._bar is None and time.monotonic() - self._logged >= LOG_SECONDS:
            self._log(self._text())

    def _draw(self) -> None:
        if self._bar is not None:
            self._bar.bar_format, self._bar.ncols = self._layout(), _columns()
            self._bar.refresh()

    def _log(self, text: str) -> None:
        self._logged = time.monotonic()
        logger.info("%s", text)

    def _layout(self) -> str:
        """Return the line in tqdm's terms; a brace of a name is no field of it."""
        title, note = (text.replace("{", "{{").replace("}", "}}") for text in self._parts())
        bar = "" if self._total is None else " |{bar}| {n_fmt}/{total_fmt}"
        return f"{title}{bar}  {note}"

    def _text(self) -> str:
        title, note = self._parts()
        count = "" if self._total is None else f"  {self.done}/{self._total}"
        return f"{title}{count}  {note}"

    def _parts(self) -> tuple[str, str]:
        """Return the texts in front of and behind the bar."""
        phase, notice, now = self._phase, self._notice(), time.monotonic()
        if notice is not None:
            return self.title, notice
        if phase is not None:
            return self.title, f"{phase[0]} {clock(now - phase[1])}"
        if self.note:
            return self.title, self.note
        return self.title, self._times(now)

    def _times(self, now: float) -> str:
        passed = clock(now - self._start)
        if self._total is None or self._first is None or self.done == self._first[0]:
            return passed
        done, start = self._first  # the first step may compile
        left = (now - start) / (self.done - done) * (self._total - self.done)
        return f"{passed}, {clock(left)} left"


def _columns() -> int:
    """Return the width of the terminal; some, such as those of containers, tell none."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or _COLUMNS
    except OSError:
        return _COLUMNS


def with_progress(
    items: Iterable[T], title: str, total: int, first: str | None = None
) -> Iterator[T]:
    """Iterate over ``items`` with a progress line over ``total`` of them.

    Args:
        items: what is worked on, one after the other.
        title: see :class:`ProgressLine`.
        total: number of ``items``.
        first: what the first one takes long for, such as ``"compiling"``.
    """
    with ProgressLine(title, total) as line:
        for item in items:
            with line.phase(first) if first and not line.done else nullcontext():
                yield item
            line.advance()


def clock(seconds: float) -> str:
    """Return a duration as ``0:07``, ``12:34``, ``1:02:03`` or ``2 days 1:02:03``."""
    whole = max(0, round(seconds))
    days, rest = divmod(whole, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    text = f"{hours}:{minutes:02d}:{rest:02d}" if days or hours else f"{minutes}:{rest:02d}"
    return f"{days} day{'s' if days > 1 else ''} {text}" if days else text

"""What the commands write to a terminal: log lines and errors, without control characters."""

from __future__ import annotations

import copy
import logging
import os
import sys
from typing import TextIO

from acmix.errors import UserError
from acmix.utils.streams import lost_output
from acmix.utils.text import printable

_LONGEST = 1000
_LAYOUT = "\n\t"  # of tables; the log's other control characters come from names
_STYLES = {"header": "1", "best": "1;32", "warning": "33"}
"""SGR codes of ANSI: bold, bold green, yellow."""


def set_up_console(log: TextIO) -> None:
    """Log to ``log``, and let no name of a file or class change the terminal.

    A record may name a style by ``extra={"style": "best"}``; colours are for terminals only, and
    not where the variable NO_COLOR is set.
    """
    handler = logging.StreamHandler(log)
    handler.setFormatter(_PrintableFormatter("%(message)s", _has_colours(log)))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def say(text: object, keep: str = "") -> None:
    """Print ``text`` with control characters as escapes; those in ``keep`` stay."""
    print(printable(text, keep))


def print_error(program: str, error: UserError) -> None:
    """Print one line of bounded length, and the details of the error below it."""
    print(f"{program}: error: {_bounded(printable(error))}", file=sys.stderr)
    if error.details:
        print(printable(error.details, keep=_LAYOUT), file=sys.stderr)


def report_lost_output(program: str) -> bool:
    """Say that standard output could not be written; return whether that is so."""
    lost = lost_output()
    if lost is None or isinstance(lost, BrokenPipeError):  # the reader, such as head, has enough
        return False
    reason = f"standard output: {lost.strerror}; what was printed from then on is lost."
    print_error(program, UserError(reason))
    return True


def _bounded(text: str) -> str:
    """Cut the middle of a text of more than about ten lines; the remedy is at its end."""
    if len(text) <= _LONGEST:
        return text
    return f"{text[: _LONGEST - 300]} [...] {text[-300:]}"


def _has_colours(stream: TextIO) -> bool:
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return stream.isatty() and not plain


class _PrintableFormatter(logging.Formatter):
    """Keeps the layout of a message; its arguments, which may be names, stay on one line."""

    def __init__(self, layout: str, colours: bool):
        super().__init__(layout)
        self._colours = colours

    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record.args, tuple):
            record = copy.copy(record)
            numbers = (int, float)
            record.args = tuple(
                arg if isinstance(arg, numbers) else printable(arg) for arg in record.args or ()
            )
        text = printable(super().format(record), keep=_LAYOUT)
        default = "warning" if record.levelno >= logging.WARNING else ""
        code = _STYLES.get(getattr(record, "style", default))
        return f"\x1b[{code}m{text}\x1b[0m" if code and self._colours else text

"""What the commands write to a terminal: log lines and errors, without control characters."""

from __future__ import annotations

import io
import logging
import sys
from typing import TextIO

from acmix.errors import UserError
from acmix.utils.text import printable

_LAYOUT = "\n\t"  # of tables; the log's other control characters come from names


def set_up_console(log: TextIO) -> None:
    """Log to ``log``, and let no name of a file or class end the program or change the terminal."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # what its encoding lacks is written as an escape
            stream.reconfigure(errors="backslashreplace")
    handler = logging.StreamHandler(log)
    handler.setFormatter(_PrintableFormatter("%(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def print_error(program: str, error: UserError) -> None:
    """Print one line, and the details of the error below it."""
    print(f"{program}: error: {printable(error)}", file=sys.stderr)
    if error.details:
        print(printable(error.details, keep=_LAYOUT), file=sys.stderr)


class _PrintableFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record), keep=_LAYOUT)

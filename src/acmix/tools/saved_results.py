"""Reading results that a command saved as JSON, which anybody may have changed since."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from acmix.errors import UserError
from acmix.utils.reading import read_bytes, reading
from acmix.utils.text import shorten

MAX_BYTES = 2**28
"""Maximum size of a file; the largest, a benchmark with all samples, has less than a mebibyte."""

_OF_FOREIGN_CONTENT = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RecursionError,
    StopIteration,
)

T = TypeVar("T")


@contextmanager
def parsing(message: str) -> Iterator[None]:
    """Turn every error of reading damaged or foreign JSON into one :class:`UserError`.

    Args:
        message: start of the error's text; the cause follows.

    Raises:
        UserError: the block inside raised something that malformed content causes.
    """
    try:
        yield
    except UserError:
        raise
    except _OF_FOREIGN_CONTENT as error:
        raise UserError(f"{message}: {shorten(repr(error))}") from error


def load_result(path: str | Path, parse: Callable[[str], T]) -> T:
    """Return what ``parse`` makes of a file.

    Args:
        path: file of a command's ``--json``.
        parse: takes the text. It should also use the result once, as printing it does: a value
            of another type is then an error of this file.

    Raises:
        UserError: the file cannot be read, or is no such result; names it.
    """
    text = read_bytes(path, MAX_BYTES)
    with reading(path):
        try:
            with parsing("it holds no result of this command"):
                return parse(text.decode())
        except UserError as error:
            raise UserError(f"{path}: {error}") from error

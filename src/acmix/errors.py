"""The error for mistakes of a user, and helpers for its messages."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class UserError(ValueError):
    """A mistake in an argument, a configuration, a file or a data set.

    The message names the argument, the value received and the remedy. The command line prints it
    as one line without a traceback.

    Args:
        message: one line; at most ten names of a list, see :func:`acmix.utils.text.first_few`.
        details: lines to print below it, such as the end of another program's output.
    """

    def __init__(self, message: str, details: str = ""):
        super().__init__(message)
        self.details = details


def check(condition: bool, message: str) -> None:
    """Raise :class:`UserError` with ``message`` unless ``condition`` holds."""
    if not condition:
        raise UserError(message)


def suggest(name: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the names nearest to ``name``, else the known names."""
    known = sorted(known)
    near = get_close_matches(name, known, n=3, cutoff=0.6)
    if near:
        return " Did you mean " + " or ".join(f"'{match}'" for match in near) + "?"
    return " Known: " + (", ".join(known) if known else "none") + "."

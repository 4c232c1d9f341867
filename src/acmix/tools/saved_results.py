"""Reading results that a command saved as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from acmix.errors import UserError


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
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UserError(f"{message}: {error!r}") from error

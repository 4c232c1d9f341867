"""JSON as its standard (RFC 8259) has it: without NaN and infinities."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol, TextIO


class AddEntry(Protocol):
    """Function that adds one entry to a list."""

    def __call__(self, entry: str) -> None:
        """Add an entry, given as JSON."""


def to_json(value: Any, indent: int | None = 1) -> str:
    """Return ``value`` as JSON; NaN and infinities, which JSON does not have, become null."""
    return json.dumps(_finite(value), indent=indent, allow_nan=False)


@contextmanager
def json_list(file: TextIO) -> Iterator[AddEntry]:
    """Yield a function that writes the entries of a list to ``file``, one at a time.

    The text is that of :func:`to_json` for the whole list, which never is in memory.
    """
    count = 0

    def add(entry: str) -> None:
        nonlocal count
        file.write((",\n " if count else "[\n ") + entry.replace("\n", "\n "))
        count += 1

    yield add
    file.write("\n]" if count else "[]")


def without_nan(text: str) -> str:
    """Return JSON text with null for each NaN and infinity; other text is returned unchanged."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    try:
        json.loads(text, parse_constant=refuse)
    except ValueError:
        return to_json(json.loads(text)) + ("\n" if text.endswith("\n") else "")
    return text


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value

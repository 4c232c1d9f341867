"""Text of users' files in messages: harmless on a terminal, and short."""

from __future__ import annotations

import re
from collections.abc import Sequence

_ESCAPED = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # control characters, which terminals obey
    "\u2028\u2029"  # line separators
    "\u200e\u200f\u202a-\u202e\u2066-\u2069"  # change the order in which a line is shown
    "\ud800-\udfff]"  # surrogates: bytes of a name that are not UTF-8, and no terminal can show
)


def printable(text: object, keep: str = "") -> str:
    r"""Return ``text`` with control characters as escapes: ``\n``, ``\x1b``, ``\u202e``.

    A byte of a name that is not UTF-8 becomes ``\xd0``, as ``ls`` shows it.

    Args:
        text: anything that ``str`` takes, such as a path.
        keep: control characters to keep, such as ``"\n\t"`` of a text of several lines.
    """
    return _ESCAPED.sub(
        lambda match: match[0] if match[0] in keep else _escape(match[0]), str(text)
    )


def first_few(names: Sequence[object], limit: int = 10) -> str:
    """Join the first ``limit`` names by commas, and append the number of the others."""
    more = len(names) - limit
    return ", ".join(map(str, names[:limit])) + (f" and {more} more" if more > 0 else "")


def shorten(text: str, limit: int = 200) -> str:
    """Cut ``text`` to ``limit`` characters; three dots stand for the rest."""
    return text if len(text) <= limit else text[: limit - 3] + "..."


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # how Python keeps a byte that is not UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")

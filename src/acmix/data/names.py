"""Names of files and classes: one form of Unicode, and valid UTF-8 where they are classes."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

from acmix.errors import check
from acmix.utils.text import first_few, printable, shorten


def composed(name: str) -> str:
    """Return a name in Unicode's composed form (NFC); macOS often writes the decomposed one."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def is_utf8(name: str) -> bool:
    """Return whether a name is text; Python keeps other bytes of a file name as surrogates."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def listed(names: Sequence[str], limit: int = 10) -> str:
    """Return the first ``limit`` names for a message, each harmless on a terminal and short."""
    return first_few([shorten(printable(name), 120) for name in names], limit)


def check_utf8(names: Iterable[str], what: str, folder: object) -> None:
    """Raise UserError for names of ``what`` that are not UTF-8, with the way to convert them.

    Names of classes go into JSON, exported files and plots, which hold text alone.
    """
    wrong = [f"'{name}'" for name in names if not is_utf8(name)]
    check(
        not wrong,
        f"{folder}: the names of {len(wrong)} {what} are not UTF-8: {listed(wrong)}. Rename "
        f"them, for example with 'convmv -f gbk -t utf-8 -r --notest {folder}' (gbk: Chinese; "
        "cp1252: Western Europe).",
    )

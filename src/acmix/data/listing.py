"""Short lists of names for messages."""

from __future__ import annotations

from collections.abc import Sequence


def first_few(names: Sequence[str], limit: int) -> str:
    """Join the first ``limit`` names by commas, and append the number of the others."""
    more = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {more} more" if more > 0 else "")

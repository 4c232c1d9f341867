"""What the architectures of acmix ask of CANN: a list that a rehearsal is compared with.

``tests/rehearsed_models.py`` writes ``known.txt`` from the tables in docs/ascend/kernels: a call
a line, its kind and the name of CANN's operator.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("known.txt")

Call = tuple[str, str]
"""Kind and CANN's name, as :attr:`.Recordings.calls` has them."""


@cache
def known() -> frozenset[Call]:
    """Return the calls in the list."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    return frozenset((kind, name) for kind, name in map(str.split, lines))


def text_of(calls: Iterable[Call]) -> str:
    """Return the content of the list that has ``calls``."""
    return "".join(f"{kind} {name}\n" for kind, name in sorted(set(calls)))

"""Counts of many networks as JSON, because counting the networks of a table takes minutes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mindspore import nn

from acmix.tools.analysis.macs import Trace, trace
from acmix.tools.saved_results import parsing


@dataclass(frozen=True)
class Count:
    """Counts of a network on one image.

    Attributes:
        name: of the network.
        size: height and width of the image.
        params: number of parameters.
        macs: multiply-adds.
        san_macs: multiply-adds with bias, BatchNorm, ReLU and pooling, as in SAN's code.
    """

    name: str
    size: tuple[int, int]
    params: int
    macs: int
    san_macs: int


def count_networks(
    names: Iterable[str], size: tuple[int, int], create: Callable[[str], nn.Cell]
) -> list[Count]:
    """Create networks and count them on one RGB image of ``size`` (height, width)."""
    return [count_of(name, size, trace(create(name), (1, 3, *size))) for name in names]


def count_of(name: str, size: tuple[int, int], traced: Trace) -> Count:
    """Return the counts of a network traced on an image of ``size``."""
    return Count(name, size, traced.params, traced.macs, traced.san_macs)


def counts_to_json(counts: Sequence[Count]) -> str:
    """Return text that :func:`counts_from_json` reads back."""
    return json.dumps([asdict(count) for count in counts], indent=1) + "\n"


def counts_from_json(text: str) -> list[Count]:
    """Read counts.

    Raises:
        UserError: ``text`` was not written by :func:`counts_to_json`.
    """
    with parsing("this is not a JSON of 'acmix summary'"):
        rows = json.loads(text)
        return [_count(row) for row in rows]


def _count(row: dict[str, Any]) -> Count:
    height, width = map(int, row["size"])
    counts = {name: int(row[name]) for name in ("params", "macs", "san_macs")}
    return Count(**{**row, **counts, "name": str(row["name"]), "size": (height, width)})

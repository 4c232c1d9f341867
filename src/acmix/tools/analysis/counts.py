"""Counts of many networks as JSON: each network is run once, which takes minutes for a table."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass

from mindspore import nn

from acmix.errors import UserError
from acmix.tools.analysis.macs import trace


@dataclass(frozen=True)
class Count:
    """What a network counts on one image.

    Attributes:
        name: of the network.
        size: height and width of the image.
        params: parameters.
        macs: multiply-adds.
        san_macs: multiply-adds with bias, BatchNorm, ReLU and pooling, as SAN's code counts.
    """

    name: str
    size: tuple[int, int]
    params: int
    macs: int
    san_macs: int


def count_networks(
    names: Iterable[str], size: tuple[int, int], create: Callable[[str], nn.Cell]
) -> list[Count]:
    """Make and count networks on one RGB image of ``size`` (height, width)."""
    counts = []
    for name in names:
        traced = trace(create(name), (1, 3, *size))
        counts.append(Count(name, size, traced.params, traced.macs, traced.san_macs))
    return counts


def counts_to_json(counts: Sequence[Count]) -> str:
    """The counts as text that :func:`counts_from_json` reads back."""
    return json.dumps([asdict(count) for count in counts], indent=1) + "\n"


def counts_from_json(text: str) -> list[Count]:
    """Read counts.

    Raises:
        UserError: ``text`` was not written by :func:`counts_to_json`.
    """
    try:
        rows = json.loads(text)
        return [Count(**{**row, "size": tuple(map(int, row["size"]))}) for row in rows]
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"counts: this is not a JSON of 'acmix summary': {error!r}") from error

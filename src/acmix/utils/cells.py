"""Replacement of Cells in a network."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import suppress
from typing import TypeVar

from mindspore import nn

C = TypeVar("C", bound=nn.Cell)

Shape = tuple[int, ...]
"""Of a tensor, as `macs` methods get it."""


def keep_whole(cls: type[C]) -> type[C]:
    """Keep MindSpore's rewriting of source code, which ``amp`` O1 is, out of a class of Cells.

    It copies classes into a new file without their imports, which fails for all but simple ones.
    Such a Cell computes in float32 under O1; O2, O3 and ``auto`` reach into it.
    """
    with suppress(ImportError, AttributeError):  # there is no public way in MindSpore 2.8
        from mindspore.rewrite.common import namespace

        namespace._subtree_black_list.append(cls)
    return cls


def kept_arguments(cell: nn.Cell, **others: object) -> str:
    """Return what ``extend_repr`` shows of a Cell: ``dim=64, num_heads=4, kernel_size=7``.

    These are the arguments of its constructor that it keeps under their names as numbers, texts or
    tuples, and ``others``; None is left out.
    """
    names = inspect.signature(type(cell).__init__).parameters
    values = {name: getattr(cell, name, None) for name in names} | others
    shown = {k: v for k, v in values.items() if isinstance(v, (bool, int, float, str, tuple))}
    return ", ".join(f"{name}={value}" for name, value in shown.items())


def all_names(network: nn.Cell, prefix: str = "") -> Iterator[tuple[str, nn.Cell]]:
    """Yield every Cell below ``network`` under each of its names; a shared Cell has several.

    ``cells_and_names()`` lists a Cell once, under the first.
    """
    for name, child in network._cells.items():
        yield prefix + name, child
        yield from all_names(child, f"{prefix}{name}.")


def places_of(cell: nn.Cell, network: nn.Cell) -> list[tuple[nn.Cell, str]]:
    """Return each parent of ``cell`` in a network with the name of the place, repeats included.

    ``name_cells()`` and ``cells_and_names()`` list a Cell once, however many places share it.
    """
    return [
        (parent, name)
        for _, parent in network.cells_and_names()
        for name, child in parent._cells.items()
        if child is cell
    ]


def replace_child(parent: nn.Cell, name: str, child: nn.Cell) -> None:
    """Replace the Cell that ``parent`` holds under ``name`` by ``child``.

    The parameters of ``child`` keep their names.
    """
    names = [parameter.name for parameter in child.get_parameters()]
    if isinstance(parent, (nn.SequentialCell, nn.CellList)):
        parent[list(parent._cells).index(name)] = child  # these accept a position only
    else:
        setattr(parent, name, child)
    # Inserting a Cell into another one prefixes the names again.
    for parameter, own in zip(child.get_parameters(), names, strict=True):
        parameter.name = own

"""Changing which Cells a network is made of."""

from __future__ import annotations

from mindspore import nn

Shape = tuple[int, ...]
"""Of a tensor, as `macs` methods get it."""


def replace_child(parent: nn.Cell, name: str, child: nn.Cell) -> None:
    """Put ``child`` in the place of the Cell that ``parent.name_cells()`` calls ``name``.

    The parameters of ``child`` keep their names.
    """
    names = [parameter.name for parameter in child.get_parameters()]
    if isinstance(parent, (nn.SequentialCell, nn.CellList)):
        # They set by position alone. name_cells() names a Cell that is there twice once only, so
        # that positions in it are others.
        parent[list(parent._cells).index(name)] = child
    else:
        setattr(parent, name, child)
    # Putting a Cell into another prefixes the names anew.
    for parameter, own in zip(child.get_parameters(), names, strict=True):
        parameter.name = own

"""Replacement of Cells in a network."""

from __future__ import annotations

from mindspore import nn

Shape = tuple[int, ...]
"""Of a tensor, as `macs` methods get it."""


def replace_child(parent: nn.Cell, name: str, child: nn.Cell) -> None:
    """Replace the Cell that ``parent.name_cells()`` lists under ``name`` by ``child``.

    The parameters of ``child`` keep their names.
    """
    names = [parameter.name for parameter in child.get_parameters()]
    if isinstance(parent, (nn.SequentialCell, nn.CellList)):
        # These accept a position only. name_cells() lists a repeated Cell once, so that its
        # positions differ.
        parent[list(parent._cells).index(name)] = child
    else:
        setattr(parent, name, child)
    # Inserting a Cell into another one prefixes the names again.
    for parameter, own in zip(child.get_parameters(), names, strict=True):
        parameter.name = own

"""Run networks in half precision temporarily."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import mindspore as ms
from mindspore import nn

# Cells that mindspore.amp's level O2 keeps in float32.
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.LayerNorm, nn.GroupNorm)


@contextmanager
def half_precision(network: nn.Cell) -> Iterator[None]:
    """Compute in float16 except norms, and restore the precision of every Cell afterwards."""
    cells = [cell for _, cell in network.cells_and_names()]
    before = [(dict(cell.get_flags()), cell.mixed_precision_type) for cell in cells]
    network.to_float(ms.float16)
    for cell in cells:
        if isinstance(cell, _NORMS):
            cell.to_float(ms.float32)
    try:
        yield
    finally:
        for cell, (flags, precision) in zip(cells, before, strict=True):
            cell.add_flags(**{name: flags.get(name, False) for name in ("fp16", "fp32", "bf16")})
            # PyNative mode uses this attribute instead of the flags; add_flags does not reset it.
            cell.mixed_precision_type = precision

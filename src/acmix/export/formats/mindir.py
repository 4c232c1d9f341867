"""MindIR: MindSpore's own format, written and run on every device."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from acmix.errors import UserError
from acmix.export.formats.base import Format, register_format

if TYPE_CHECKING:
    import numpy as np
    from mindspore import Tensor, nn

    from acmix.export.outputs import Outputs


@register_format
class MindIR(Format):
    """Holds everything, and needs nothing but MindSpore."""

    name = "mindir"
    suffix = ".mindir"

    def write(self, network: nn.Cell, images: Tensor, path: Path) -> dict[str, int]:
        """Write the graph as it was checked."""
        from acmix.export.checked_mindir import write_mindir

        return write_mindir(network, images, path)

    def load_runner(self, path: Path) -> Callable[[np.ndarray], Outputs]:
        """Run a file with MindSpore, on this process's device."""
        import mindspore as ms

        from acmix.export.outputs import to_numpy

        network = load_network(path)

        def run(images: np.ndarray) -> Outputs:
            return to_numpy(network(ms.Tensor(images)))

        return run


def load_network(path: Path) -> nn.Cell:
    """Return a MindIR file as a Cell.

    Raises:
        UserError: MindSpore cannot read it.
    """
    import mindspore as ms

    try:
        return ms.nn.GraphCell(ms.load(str(path)))
    except RuntimeError as error:
        raise UserError(f"model: MindSpore cannot load {path}: {error}") from error

"""MindIR: MindSpore's format; can be written and run on every device."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from acmix.errors import UserError
from acmix.export.formats.base import Format, register_format
from acmix.utils.files import utf8_path

if TYPE_CHECKING:
    import numpy as np
    from mindspore import Tensor, nn

    from acmix.export.outputs import Outputs


@register_format
class MindIR(Format):
    """Format that supports all operators and requires MindSpore only."""

    name = "mindir"
    suffix = ".mindir"

    def write(self, network: nn.Cell, images: Tensor, path: Path) -> dict[str, int]:
        """Write the checked graph."""
        from acmix.export.checked_mindir import write_mindir

        return write_mindir(network, images, path)

    def load_runner(self, path: Path) -> Callable[[np.ndarray], Outputs]:
        """Return a function that runs a file with MindSpore on the current device."""
        import mindspore as ms

        from acmix.export.outputs import to_numpy

        network = load_network(path)

        def run(images: np.ndarray) -> Outputs:
            return to_numpy(network(ms.Tensor(images)))

        return run


def load_network(path: Path) -> nn.Cell:
    """Load a MindIR file as a Cell.

    Raises:
        UserError: MindSpore cannot load the file.
    """
    import mindspore as ms

    try:
        with utf8_path(path) as readable:
            return ms.nn.GraphCell(ms.load(str(readable)))
    except RuntimeError as error:
        raise UserError(f"model: MindSpore cannot load {path}: {error}") from error

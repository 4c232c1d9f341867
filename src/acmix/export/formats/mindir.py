"""MindIR: MindSpore's format; can be written and run on every device."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from acmix.errors import UserError
from acmix.export.formats.base import Format, register_format
from acmix.utils.files import utf8_path
from acmix.utils.mindir import input_shape
from acmix.utils.text import shorten

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
    """Load a MindIR file as a Cell, first in a process apart if it was not written here.

    Raises:
        UserError: MindSpore cannot load the file, or would die of it.
    """
    import mindspore as ms

    from acmix.export.probe import check_loadable

    check_loadable(path, input_shape(path))
    try:
        with utf8_path(path) as readable:
            return ms.nn.GraphCell(ms.load(str(readable)))
    except RuntimeError as error:
        reason = shorten(str(error).strip().splitlines()[0])
        raise UserError(f"model: MindSpore cannot load {path}: {reason}") from error

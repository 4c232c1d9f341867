"""AIR: what Ascend's compiler ATC reads, written on Ascend alone and run by nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from acmix.errors import UserError
from acmix.export.formats.base import Format, register_format

if TYPE_CHECKING:
    import numpy as np
    from mindspore import Tensor, nn

    from acmix.export.outputs import Outputs


@register_format
class Air(Format):
    """Has fixed shapes, and needs CANN."""

    name = "air"
    suffix = ".air"
    only_on = "Ascend"
    dynamic_batch = False

    def write(self, network: nn.Cell, images: Tensor, path: Path) -> dict[str, int]:
        """Write the graph; the MindIR through which it was checked stays beside the file."""
        import mindspore as ms

        from acmix.export.checked_mindir import write_mindir
        from acmix.export.exported import Exported

        operators = write_mindir(network, images, path.with_suffix(".mindir"))
        ms.export(Exported(network), images, file_name=str(path), file_format="AIR")
        return operators

    def missing_runner(self) -> str | None:
        """Return the reason: there is none on any device."""
        return "AIR is read by ATC only"

    def load_runner(self, path: Path) -> Callable[[np.ndarray], Outputs]:
        """Raise UserError: there is nothing to run it."""
        raise UserError(f"model: {path} is AIR, which only ATC and Ascend read; export to mindir.")

    def atc_options(self, input_name: str, input_shape: Sequence[int | None]) -> list[str]:
        """Return number and layout: AIR, unlike ONNX, does not keep the name of the input."""
        return ["--framework=1", "--input_format=NCHW"]

"""AIR: input format of Ascend's compiler ATC; can be written on Ascend only."""

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
    """Format with fixed shapes that requires CANN."""

    name = "air"
    suffix = ".air"
    only_on = "Ascend"
    dynamic_batch = False

    def write(self, network: nn.Cell, images: Tensor, path: Path) -> dict[str, int]:
        """Write the graph, and the checked MindIR file next to it.

        Raises:
            UserError: the exporter lacks an operator of the network.
        """
        import mindspore as ms

        from acmix.export.checked_mindir import write_mindir
        from acmix.export.formats.air_operators import spell_for_air
        from acmix.utils.modes import jit_level

        mindir = path.with_suffix(".mindir")
        operators = write_mindir(network, images, mindir, spell_for_air)
        graph = ms.nn.GraphCell(ms.load(str(mindir)))
        try:
            with jit_level(
                "O2"
            ):  # MindSpore writes AIR in this level only, and is silent in others
                ms.export(graph, images, file_name=str(path), file_format="AIR")
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise UserError(
                f"format: MindSpore's AIR exporter refuses this network: {reason} Use mindir."
            ) from error
        return operators

    def missing_runner(self) -> str | None:
        """Return the reason: no device can run AIR directly."""
        return "AIR is read by ATC only"

    def load_runner(self, path: Path) -> Callable[[np.ndarray], Outputs]:
        """Raise UserError: AIR cannot be run directly."""
        raise UserError(f"model: {path} is AIR, which only ATC and Ascend read; export to mindir.")

    def atc_options(self, input_name: str, input_shape: Sequence[int | None]) -> list[str]:
        """Return framework number and layout: unlike ONNX, AIR has no input names."""
        return ["--framework=1", "--input_format=NCHW"]

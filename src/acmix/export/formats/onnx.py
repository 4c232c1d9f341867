"""ONNX: converted from the checked MindIR by MindSpore's exporter; run by onnxruntime."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from acmix.errors import UserError, check
from acmix.export.formats.base import INPUT_NAME, Format, register_format
from acmix.export.formats.onnx_operators import repair_nodes, substitute_operators
from acmix.utils.files import utf8_path

if TYPE_CHECKING:
    import numpy as np
    from mindspore import Tensor, nn

    from acmix.export.outputs import Outputs

INSTALL = "pip install acmix[onnx]"
"""Command that installs onnxruntime."""


@register_format
class Onnx(Format):
    """Format limited to the operators of MindSpore's exporter."""

    name = "onnx"
    suffix = ".onnx"

    def write(self, network: nn.Cell, images: Tensor, path: Path) -> dict[str, int]:
        """Write the graph, and the checked MindIR file next to it.

        Raises:
            UserError: the exporter lacks an operator of the network.
        """
        import mindspore as ms

        from acmix.export.checked_mindir import write_mindir
        from acmix.export.formats.mindir import load_network

        mindir = path.with_suffix(".mindir")
        substituted: set[str] = set()
        operators = write_mindir(
            network, images, mindir, lambda model: substituted.update(substitute_operators(model))
        )
        graph = load_network(mindir)
        try:
            ms.onnx.export(
                graph,
                images,
                file_name=str(path),
                input_names=[INPUT_NAME],
                dynamic_axes={INPUT_NAME: {0: "batch"}} if -1 in images.shape else None,
            )
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise UserError(
                f"format: MindSpore's ONNX exporter refuses this network: {reason} Use mindir."
            ) from error
        repair_nodes(path, substituted)
        return operators

    def missing_runner(self) -> str | None:
        """Return the command to install onnxruntime; None if it is installed."""
        return None if find_spec("onnxruntime") else INSTALL

    def load_runner(self, path: Path) -> Callable[[np.ndarray], Outputs]:
        """Return a function that runs a file with onnxruntime on CPU."""
        check(self.missing_runner() is None, f"model: {path} needs onnxruntime: {INSTALL}")
        import onnxruntime

        try:
            with utf8_path(path) as readable:
                session = onnxruntime.InferenceSession(
                    str(readable), providers=["CPUExecutionProvider"]
                )
        except Exception as error:  # onnxruntime's exception classes are not public
            raise UserError(f"model: onnxruntime cannot load {path}: {error}") from error
        (source,) = session.get_inputs()

        def run(images: np.ndarray) -> Outputs:
            outputs = session.run(None, {source.name: images})
            return outputs[0] if len(outputs) == 1 else tuple(outputs)

        return run

    def atc_options(self, input_name: str, input_shape: Sequence[int | None]) -> list[str]:
        """Return framework number and input shape."""
        return ["--framework=5", f"--input_shape={input_name}:{','.join(map(str, input_shape))}"]

"""Compile a network into a MindIR, ONNX or AIR file, untouched by what it was before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mindspore as ms
from mindspore import Tensor, nn

from acmix.errors import UserError, check
from acmix.export.inference_graph import check_inference_graph
from acmix.export.onnx_vocabulary import borrow_names, return_names
from acmix.utils.mindir import parse_graph
from acmix.utils.modes import execution_mode, jit_syntax_restored

INPUT_NAME = "images"
# What mindspore.amp's level O2 keeps in float32.
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.LayerNorm, nn.GroupNorm)


class Exported(nn.Cell):
    """The network under a new identity, with float32 outputs.

    MindSpore caches the compiled graph per Cell and would export that again after a switch from
    training to evaluation or to float16. A new Cell around the network has no such past.
    """

    def __init__(self, network: nn.Cell):
        super().__init__(auto_prefix=False)
        self.network = network
        self.set_train(False)

    def construct(self, images: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Map images (B, C, H, W) to the network's outputs, in float32."""
        outputs = self.network(images)
        if isinstance(outputs, tuple):
            converted: tuple[Tensor, ...] = ()
            for output in outputs:
                converted += (_float32(output),)
            return converted
        return _float32(outputs)


def _float32(output):
    if output.dtype == ms.float16:
        return output.astype(ms.float32)
    return output


def write_model(
    network: nn.Cell, path: Path, format: str, input_shape: tuple[int | None, ...]
) -> dict[str, int]:
    """Write ``network`` to ``path`` and return its operators by type.

    The graph is checked through MindIR whatever the format, and ONNX is made from that file; ONNX
    and AIR leave it beside.

    Raises:
        UserError: The graph is not an inference graph, the exporter lacks an operator, or the
            network is too large for one file.
    """
    # A shape without data is all that compiling takes, and the only way to leave a size open.
    images = Tensor(shape=input_shape, dtype=ms.float32)
    mindir = path.with_suffix(".mindir")
    with execution_mode(ms.GRAPH_MODE), jit_syntax_restored():
        if format == "onnx":
            return _write_onnx(network, images, mindir, path)
        operators = _write_mindir(network, images, mindir)
        if format == "air":
            ms.export(Exported(network), images, file_name=str(path), file_format="AIR")
    return operators


def _write_mindir(
    network: nn.Cell,
    images: Tensor,
    path: Path,
    change: Callable[[Any], None] = lambda model: None,
) -> dict[str, int]:
    """Write the graph as it is after ``change``; return the operators before it."""
    operators: dict[str, int] = {}

    def look(model: Any) -> None:
        graph = parse_graph(model)
        check_inference_graph(graph)
        operators.update(graph.count_operators())
        change(model)

    ms.export(
        Exported(network), images, file_name=str(path), file_format="MINDIR", custom_func=look
    )
    check(path.is_file(), "network: it exceeds the 1 GB that MindSpore writes into one MindIR.")
    return operators


def _write_onnx(network: nn.Cell, images: Tensor, mindir: Path, staged: Path) -> dict[str, int]:
    borrowed: set[str] = set()
    operators = _write_mindir(
        network, images, mindir, lambda model: borrowed.update(borrow_names(model))
    )
    dynamic_axes = {INPUT_NAME: {0: "batch"}} if -1 in images.shape else None
    graph = nn.GraphCell(ms.load(str(mindir)))
    try:
        ms.onnx.export(
            graph,
            images,
            file_name=str(staged),
            input_names=[INPUT_NAME],
            dynamic_axes=dynamic_axes,
        )
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise UserError(
            f"format: MindSpore's ONNX exporter refuses this network: {reason} Use mindir."
        ) from error
    return_names(staged, borrowed)
    return operators


@contextmanager
def half_precision(network: nn.Cell) -> Iterator[None]:
    """Compute in float16 but for the norms, and restore every Cell's own precision."""
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
            # Flags are for graphs. PyNative goes by the type, which adding flags never clears.
            cell.mixed_precision_type = precision

"""The pass through MindIR in which every graph is checked, whatever its format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mindspore as ms
from mindspore import Tensor, nn

from acmix.errors import check
from acmix.export.exported import Exported
from acmix.export.inference_graph import check_inference_graph
from acmix.utils.mindir import parse_graph


def write_mindir(
    network: nn.Cell,
    images: Tensor,
    path: Path,
    change: Callable[[Any], None] = lambda model: None,
) -> dict[str, int]:
    """Compile a network, check its graph and write it as MindIR.

    Args:
        network: Cell in evaluation mode.
        images: its input, with or without data.
        path: A ``.mindir`` file.
        change: Changes the ``mind_ir_pb2.ModelProto`` in place, after the check.

    Returns:
        The operators by type, as they were before the change.

    Raises:
        UserError: The graph is not an inference graph, or too large for one file.
    """
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

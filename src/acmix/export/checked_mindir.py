"""Compile a network to MindIR and check its graph; used by every format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mindspore as ms
from mindspore import Tensor, nn

from acmix.errors import check
from acmix.export.exported import Exported
from acmix.export.inference_graph import check_inference_graph
from acmix.export.probe import remember
from acmix.utils.mindir import parse_graph


def write_mindir(
    network: nn.Cell,
    images: Tensor,
    path: Path,
    transform: Callable[[Any], None] = lambda model: None,
) -> dict[str, int]:
    """Compile a network, check its graph and write it as MindIR.

    Args:
        network: Cell in evaluation mode.
        images: input tensor, with or without data.
        path: ``.mindir`` file to write.
        transform: modifies the ``mind_ir_pb2.ModelProto`` in place after the check.

    Returns:
        Number of operators by type before ``transform``.

    Raises:
        UserError: the graph is not an inference graph, or is too large for one file.
    """
    operators: dict[str, int] = {}

    def check_and_transform(model: Any) -> None:
        graph = parse_graph(model)
        check_inference_graph(graph)
        operators.update(graph.count_operators())
        transform(model)

    ms.export(
        Exported(network),
        images,
        file_name=str(path),
        file_format="MINDIR",
        custom_func=check_and_transform,
    )
    check(path.is_file(), "network: it exceeds the 1 GB that MindSpore writes into one MindIR.")
    remember(path)
    return operators

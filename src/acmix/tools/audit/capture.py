"""The graph of a network as MindSpore exports it, without the weights on the disk."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mindspore as ms
from mindspore import Tensor, nn

from acmix.utils.mindir import Graph, parse_graph
from acmix.utils.modes import execution_mode, jit_syntax_restored


def graph_of(network: nn.Cell, inputs: Sequence[Tensor]) -> Graph:
    """Compile ``network`` and return its graph.

    Args:
        network: a Cell that was not compiled before: MindSpore exports the first graph again.
        inputs: of its ``construct``; ``Tensor(shape=..., dtype=...)`` without data will do.
    """
    captured: list[Graph] = []

    def capture(model: Any) -> None:
        captured.append(parse_graph(model))
        del model.graph.parameter[:]  # the file is thrown away, it need not hold the weights

    with tempfile.TemporaryDirectory() as folder, execution_mode(ms.GRAPH_MODE):
        with jit_syntax_restored():
            file = str(Path(folder) / "graph.mindir")
            ms.export(network, *inputs, file_name=file, file_format="MINDIR", custom_func=capture)
    return captured[0]

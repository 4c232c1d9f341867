"""Graphs of networks and training steps, as MindSpore compiles and exports them."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import mindspore as ms
from mindspore import Tensor, nn

from acmix.config import Config
from acmix.tasks import get_task
from acmix.tools.training_step import configured_step
from acmix.utils.mindir import Graph, parse_graph
from acmix.utils.modes import execution_mode, jit_syntax_restored


def graph_of(network: nn.Cell, inputs: Sequence[Tensor]) -> Graph:
    """Compile ``network`` and return its graph.

    Args:
        network: a Cell that was not compiled before, because MindSpore exports its first graph.
        inputs: arguments of ``construct``; ``Tensor(shape=..., dtype=...)`` needs no data.
    """
    captured: list[Graph] = []

    def capture(model: Any) -> None:
        captured.append(parse_graph(model))
        del model.graph.parameter[:]  # the file is temporary and needs no weights

    with tempfile.TemporaryDirectory() as folder, execution_mode(ms.GRAPH_MODE):
        with jit_syntax_restored():
            file = str(Path(folder) / "graph.mindir")
            ms.export(network, *inputs, file_name=file, file_format="MINDIR", custom_func=capture)
    return captured[0]


def step_graph(config: Config, model: nn.Cell, images: Tensor, classes: int) -> Graph:
    """Return the graph of the configured training step: forward, backward, update.

    Args:
        config: configuration of the run.
        model: network from :func:`acmix.workflows.runs.build_model`.
        images: (B, C, H, W), without data.
        classes: number of classes.
    """
    specs = get_task(config.task).target_specs(config, images.shape, classes)
    return graph_of(configured_step(config, model).as_cell(), (images, *specs))

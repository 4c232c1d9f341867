"""Modes that are switched for a while and restored whatever happens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import mindspore as ms
from mindspore import nn


@contextmanager
def execution_mode(mode: int) -> Iterator[None]:
    """Run the body in ``ms.GRAPH_MODE`` or ``ms.PYNATIVE_MODE``."""
    before = ms.get_context("mode")
    ms.set_context(mode=mode)
    try:
        yield
    finally:
        ms.set_context(mode=before)


@contextmanager
def evaluation_mode(network: nn.Cell) -> Iterator[None]:
    """Switch ``network`` to evaluation; afterwards every Cell has its own training flag again."""
    before = [(cell, cell.training) for _, cell in network.cells_and_names()]
    network.set_train(False)
    try:
        yield
    finally:
        network.set_train(before[0][1])
        # set_train reaches all Cells below; some may have been frozen on their own.
        for cell, training in before:
            cell.add_flags(training=training)

"""Modes that are switched for a while and always restored."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import mindspore as ms
from mindspore import nn

from acmix.utils.target import target_set_to


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


@contextmanager
def jit_syntax_restored() -> Iterator[None]:
    """Contain ``ms.export``: it compiles under STRICT syntax and leaves it so when it fails."""
    before = ms.get_context("jit_syntax_level")
    try:
        yield
    finally:
        ms.set_context(jit_syntax_level=before)


@contextmanager
def built_for(device: str) -> Iterator[None]:
    """Construct and compile the networks of the body as for the target ``device``.

    No kernel is chosen by this, hence a graph so made can be exported and looked at, but not run.
    """
    ask = ms.context.get_context

    def answer(key: str):
        return device if key == "device_target" else ask(key)

    # MindSpore's amp.all_finite branches on it too: one operator on Ascend, several per tensor
    # elsewhere. Of its Python nothing else changes the graphs of our networks and training steps.
    ms.context.get_context = answer
    try:
        with target_set_to(device):
            yield
    finally:
        ms.context.get_context = ask

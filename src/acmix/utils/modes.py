"""Context managers that switch a mode and restore it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

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
def jit_level(level: str) -> Iterator[None]:
    """Compile the graphs of the body at a level of MindSpore's compiler: O0, O1 or O2."""
    before = ms.get_context("jit_level")
    ms.set_context(jit_level=level)
    try:
        yield
    finally:
        ms.set_context(jit_level=before)


@contextmanager
def evaluation_mode(network: nn.Cell) -> Iterator[None]:
    """Switch ``network`` to evaluation; restore the training flag of every Cell afterwards."""
    before = [(cell, cell.training) for _, cell in network.cells_and_names()]
    network.set_train(False)
    try:
        yield
    finally:
        network.set_train(before[0][1])
        # set_train changes all Cells below; some may have been frozen separately.
        for cell, training in before:
            cell.add_flags(training=training)


@contextmanager
def jit_syntax_restored() -> Iterator[None]:
    """Restore the JIT syntax level, which ``ms.export`` leaves at STRICT when it fails."""
    before = ms.get_context("jit_syntax_level")
    try:
        yield
    finally:
        ms.set_context(jit_syntax_level=before)


@contextmanager
def built_for(device: str) -> Iterator[None]:
    """Construct and compile the networks in the body as for the target ``device``.

    This selects no kernels: such a graph can be exported and inspected, but not run.
    """
    get_context = ms.context.get_context

    def patched(key: str) -> Any:
        return device if key == "device_target" else get_context(key)

    # MindSpore's amp.all_finite depends on the target too: one operator on Ascend, several per
    # tensor elsewhere. No other Python code of MindSpore changes the graphs of acmix.
    ms.context.get_context = patched
    try:
        with target_set_to(device):
            yield
    finally:
        ms.context.get_context = get_context

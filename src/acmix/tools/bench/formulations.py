"""Exact formulations of the networks' parts in turns, on this device.

All candidates of a case compute one function of one input. The first is the one the literature or
the framework writes down; the others are compared with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import mindspore as ms
from mindspore import Tensor, nn, ops

from acmix.tools.bench.machine import machine_facts, machine_phrase
from acmix.tools.bench.memory import peak_memory
from acmix.tools.bench.parts import PARTS, Case, Part
from acmix.tools.bench.throughput import measure, speed_up
from acmix.utils.table import Style, render_table

_TURN_SECONDS = 0.3


class Backward(nn.Cell):
    """Forward and backward in training: the gradients of a Cell by inputs and parameters."""

    def __init__(self, network: nn.Cell):
        super().__init__()
        self.network = network
        self.parameters = ms.ParameterTuple(network.trainable_params())
        self.gradient = ops.GradOperation(get_all=True, get_by_list=True, sens_param=True)
        self.set_train(True)

    def construct(self, *inputs: Tensor):
        """Return the gradients for a cotangent equal to the first input."""
        return self.gradient(self.network, self.parameters)(*inputs, inputs[0])


def formulations(
    *,
    batch_size: int = 8,
    warmup: int = 2,
    repeats: int = 7,
    parts: Sequence[Part] = PARTS,
    memory: bool = False,
    style: Style = "markdown",
) -> str:
    """Measure all formulations forward and backward and render one table.

    Args:
        batch_size: images per call.
        warmup, repeats: rounds, see :func:`acmix.tools.bench.throughput.measure`.
        parts: what to measure.
        memory: measure the peak memory, too, see :func:`acmix.tools.bench.memory.peak_memory`.
        style: of the table.
    """
    rows = []
    for part in parts:
        for case in part.cases:
            timings = []
            for backward in (False, True):
                calls = computations(part, case, batch_size, backward)
                timings.append(
                    measure(
                        calls,
                        warmup=warmup,
                        repeats=repeats,
                        batch_size=batch_size,
                        turn_seconds=_TURN_SECONDS,
                    )
                )
            for measured in zip(*timings, strict=True):
                name = measured[0].name
                row = [f"{part.name}, {part.label.format(*case)}", name]
                for own, all_timings, backward in zip(
                    measured, timings, (False, True), strict=True
                ):
                    ratio = speed_up(own, all_timings[0])
                    row += [f"{own.median * 1e3:.1f}", f"{ratio.median:.2f}x"]
                    if memory:
                        row.append(_peak(part, case, batch_size, backward, name))
                rows.append(row)
    own_memory = ["peak MiB"] if memory else []
    header = ["case", "formulation", "forward ms", "speed-up", *own_memory]
    header += ["with backward ms", "speed-up", *own_memory]
    conditions = (
        f"{machine_phrase(machine_facts())}, batch {batch_size}, float32; medians of "
        f"{repeats} interleaved rounds after {warmup} of warm-up, each turn at least "
        f"{_TURN_SECONDS} s of calls."
    )
    return f"{render_table(header, rows, style)}\n\n{conditions}"


def computations(
    part: Part, case: Case, batch_size: int, backward: bool
) -> dict[str, Callable[[], object]]:
    """Return the formulations of a case by name, as calls with the same random inputs."""
    inputs = part.arguments(case, batch_size)
    networks = part.networks(case)
    if backward:
        networks = {name: Backward(network) for name, network in networks.items()}
    return {name: partial(_call, network, inputs) for name, network in networks.items()}


def _call(network: nn.Cell, inputs: Sequence[Tensor]) -> object:
    return network(*inputs)


def _peak(part: Part, case: Case, batch_size: int, backward: bool, name: str) -> str:
    peak = peak_memory(one_computation, part, case, batch_size, backward, name)
    return "-" if peak is None else f"{peak / 2**20:.0f}"


def one_computation(
    part: Part, case: Case, batch_size: int, backward: bool, name: str
) -> tuple[Callable[[], object], Callable[[], object]]:
    """Return one formulation on a map of 7 x 7 pixels, and as it is measured."""
    ms.set_context(mode=ms.GRAPH_MODE)
    small = computations(part, (*case[:-1], 7), 1, backward)[name]
    return small, computations(part, case, batch_size, backward)[name]

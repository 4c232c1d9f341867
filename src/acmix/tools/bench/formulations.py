"""``acmix bench formulations``: equivalent formulations of the networks' parts, interleaved.

All candidates of a case compute the same function of the same input. The first is the formulation
of the literature or the framework, and the baseline of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import mindspore as ms
from mindspore import Tensor, nn, ops

from acmix.tools.bench.formulations_report import FormulationCase, FormulationsReport
from acmix.tools.bench.machine import machine_facts
from acmix.tools.bench.memory import peak_memory
from acmix.tools.bench.network_parts import PARTS, Case, Part
from acmix.tools.bench.timing import measure

_TURN_SECONDS = 0.3


class Backward(nn.Cell):
    """Forward and backward pass: gradients of a Cell with respect to inputs and parameters."""

    def __init__(self, network: nn.Cell):
        super().__init__()
        self.network = network
        self.parameters = ms.ParameterTuple(network.trainable_params())
        self.gradient = ops.GradOperation(get_all=True, get_by_list=True)
        self.set_train(True)

    def construct(self, *inputs: Tensor) -> Any:
        """Return the gradients for a cotangent of ones."""
        return self.gradient(self.network, self.parameters)(*inputs)


def bench_formulations(
    *,
    batch_size: int = 8,
    warmup: int = 2,
    repeats: int = 7,
    parts: Sequence[Part] = PARTS,
    memory: bool = False,
) -> FormulationsReport:
    """Measure all formulations forward and backward.

    Args:
        batch_size: images per call.
        warmup, repeats: rounds, see :func:`acmix.tools.bench.timing.measure`.
        parts: parts to measure.
        memory: also measure peak memory, see :func:`acmix.tools.bench.memory.peak_memory`.
    """

    def measure_case(part: Part, case: Case) -> FormulationCase:
        forward, backward = (
            measure(
                computations(part, case, batch_size, with_backward),
                warmup=warmup,
                repeats=repeats,
                batch_size=batch_size,
                turn_seconds=_TURN_SECONDS,
            )
            for with_backward in (False, True)
        )
        peaks: list[tuple[int | None, ...]] = [(), ()]
        if memory:
            peaks = [
                tuple(_peak(part, case, batch_size, with_backward, own.name) for own in forward)
                for with_backward in (False, True)
            ]
        name = f"{part.name}, {part.label.format(*case)}"
        return FormulationCase(name, tuple(forward), tuple(backward), *peaks)

    cases = tuple(measure_case(part, case) for part in parts for case in part.cases)
    return FormulationsReport(machine_facts(), batch_size, warmup, _TURN_SECONDS, cases)


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


def _peak(part: Part, case: Case, batch_size: int, backward: bool, name: str) -> int | None:
    return peak_memory(one_computation, part, case, batch_size, backward, name)


def one_computation(
    part: Part, case: Case, batch_size: int, backward: bool, name: str
) -> tuple[Callable[[], object], Callable[[], object]]:
    """Return one formulation on a feature map of 7 x 7 pixels, and on that of the case."""
    ms.set_context(mode=ms.GRAPH_MODE)
    small = computations(part, (*case[:-1], 7), 1, backward)[name]
    return small, computations(part, case, batch_size, backward)[name]

"""Running statistics of BatchNorms: the forward pass changes them, the optimizer does not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from mindspore import ParameterTuple, Tensor, nn, ops

from acmix.engine.compiled import compiled
from acmix.engine.step_functions import MOST_JOINED
from acmix.parallel.all_reduce import AllReduce
from acmix.utils.for_every import for_every
from acmix.utils.parameters import get_value, make_parameter, set_value


def running_statistics(network: nn.Cell) -> ParameterTuple:
    """Return running means and variances that training changes."""
    return ParameterTuple(
        parameter
        for _, cell in network.cells_and_names()
        if isinstance(cell, nn.BatchNorm2d) and cell.use_batch_statistics is not False
        for parameter in (cell.moving_mean, cell.moving_variance)
    )


class MovingStatistics:
    """Keeps running means and variances valid for a checkpoint.

    After a step they are averaged over the devices, each of which has processed other images. A
    checkpoint then holds the statistics of all, and every device continues with them. A skipped
    step (loss or gradient not finite) restores the values before it.

    Args:
        network: BatchNorms that keep their statistics in training are left alone.
        all_reduce: averages over devices; None for a single one.
    """

    def __init__(self, network: nn.Cell, all_reduce: AllReduce | None = None):
        self.parameters = running_statistics(network)
        firsts = range(0, len(self.parameters), MOST_JOINED)
        self._groups = [slice(first, first + MOST_JOINED) for first in firsts]
        self._kept = ParameterTuple(
            make_parameter(self._joined(group), f"kept.{i}") for i, group in enumerate(self._groups)
        )
        self._update = compiled(self._make_update(all_reduce))

    def keep(self) -> None:
        """Take the present values as the last good ones; call it after loading them."""
        for kept, group in zip(self._kept, self._groups, strict=True):
            set_value(kept, self._joined(group))

    def update(self, finite: Tensor) -> None:
        """Average the statistics after a step, or restore them unless ``finite``."""
        if self.parameters:
            self._update(finite)

    def _joined(self, group: slice) -> np.ndarray:
        return np.concatenate([get_value(parameter) for parameter in self.parameters[group]])

    def _make_update(self, all_reduce: AllReduce | None) -> Callable[[Tensor], Tensor]:
        parameters, kept = self.parameters, self._kept
        sizes = tuple(len(parameter) for parameter in parameters)

        def update(finite: Tensor) -> Tensor:
            values = parameters
            if all_reduce is not None:
                values = all_reduce(parameters)
            # Joined: two operators choose and keep, instead of two for each parameter.
            for i in range(len(kept)):
                first, end = i * MOST_JOINED, (i + 1) * MOST_JOINED
                chosen = ops.select(finite, ops.cat(values[first:end]), kept[i])
                ops.assign(kept[i], chosen)
                for_every(_set, parameters[first:end], ops.split(chosen, sizes[first:end]))
            return finite

        return update


_set = ops.MultitypeFuncGraph("set")


@_set.register("Tensor", "Tensor")
def _set_to(parameter: Tensor, value: Tensor) -> Tensor:
    return ops.assign(parameter, value)

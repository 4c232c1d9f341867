"""Running statistics of BatchNorms: the forward pass changes them, the optimizer does not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from mindspore import ParameterTuple, Tensor, mint, nn, ops

from acmix.engine.compiled import compiled
from acmix.parallel.all_reduce import AllReduce
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
        if self.parameters:
            self._kept = make_parameter(self._joined(), "kept")
            self._update = compiled(self._make_update(all_reduce))

    def keep(self) -> None:
        """Take the present values as the last good ones; call it after loading them."""
        if self.parameters:
            set_value(self._kept, self._joined())

    def update(self, finite: Tensor) -> None:
        """Average the statistics after a step, or restore them unless ``finite``."""
        if self.parameters:
            self._update(finite)

    def _joined(self) -> np.ndarray:
        return np.concatenate([get_value(parameter) for parameter in self.parameters])

    def _make_update(self, all_reduce: AllReduce | None) -> Callable[[Tensor], Tensor]:
        parameters, kept = self.parameters, self._kept
        sizes = tuple(len(parameter) for parameter in parameters)

        def update(finite: Tensor) -> Tensor:
            values = parameters
            if all_reduce is not None:
                values = all_reduce(parameters)
            # All in one vector: two operators choose and keep, instead of two for each parameter.
            chosen = ops.select(finite, ops.cat(values), kept)
            ops.assign(kept, chosen)
            parts = mint.split(chosen, sizes)
            for i in range(len(parameters)):
                ops.assign(parameters[i], parts[i])
            return finite

        return update

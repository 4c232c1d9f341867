"""The running statistics of BatchNorms, which a forward pass changes and no optimizer sees."""

from __future__ import annotations

from collections.abc import Callable

from mindspore import ParameterTuple, Tensor, nn, ops

from acmix.engine.compiled import compiled
from acmix.utils.parameters import get_value, make_parameter, set_value

Reduce = Callable[[tuple[Tensor, ...]], tuple[Tensor, ...]]


def running_statistics(network: nn.Cell) -> ParameterTuple:
    """Return running means and variances that training changes."""
    return ParameterTuple(
        parameter
        for _, cell in network.cells_and_names()
        if isinstance(cell, nn.BatchNorm2d) and cell.use_batch_statistics is not False
        for parameter in (cell.moving_mean, cell.moving_variance)
    )


class MovingStatistics:
    """Keeps running means and variances fit to be saved.

    After a step they are averaged over the devices, each of which has seen other images: a
    checkpoint then holds the statistics of all, and every device goes on with what it holds. A step
    that is left out because something was not finite leaves them as they were before.

    Args:
        network: BatchNorms that keep their statistics in training are left alone.
        reduce: averages over devices; None for a single one.
    """

    def __init__(self, network: nn.Cell, reduce: Reduce | None = None):
        self.parameters = running_statistics(network)
        self._kept = ParameterTuple(
            make_parameter(get_value(parameter), f"kept.{i}")
            for i, parameter in enumerate(self.parameters)
        )
        self._settle = compiled(self._settling(reduce))

    def keep(self) -> None:
        """Remember the present values as the last good ones, after they were loaded."""
        for kept, parameter in zip(self._kept, self.parameters, strict=True):
            set_value(kept, get_value(parameter))

    def settle(self, finite: Tensor) -> None:
        """Call it after every step, with whether the step was taken."""
        if self.parameters:
            self._settle(finite)

    def _settling(self, reduce: Reduce | None) -> Callable[[Tensor], None]:
        parameters, kept = self.parameters, self._kept

        def settle(finite):
            values = parameters
            if reduce is not None:
                values = reduce(parameters)
            for i in range(len(parameters)):
                value = ops.select(finite, values[i], kept[i])
                ops.assign(kept[i], value)
                ops.assign(parameters[i], value)

        return settle

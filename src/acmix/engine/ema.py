"""Exponential moving average of a network's parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import mindspore as ms
from mindspore import ParameterTuple, Tensor, nn, ops

from acmix.engine.compiled import compiled
from acmix.utils.for_every import for_every
from acmix.utils.parameters import get_value, make_parameter, set_value


class ExponentialMovingAverage:
    """Keeps ``average <- decay * average + (1 - decay) * parameter`` for a whole network.

    Buffers such as the moving statistics of BatchNorm are averaged too, as in timm's ModelEmaV3:
    averaged weights do not fit the statistics of the raw ones. Integer parameters are copied. The
    average starts as a copy of the parameters.

    Args:
        network: its parameters are averaged, frozen ones included.
        decay: in [0, 1); the average covers about the last ``1 / (1 - decay)`` steps.
    """

    def __init__(self, network: nn.Cell, decay: float):
        self.decay = decay
        self.parameters = ParameterTuple(network.get_parameters())
        self.averages = ParameterTuple(
            make_parameter(get_value(parameter), f"ema.{parameter.name}")
            for parameter in self.parameters
        )
        self._update = compiled(self._make_update())

    def update(self) -> None:
        """Move the averages towards the parameters by one step."""
        self._update()

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Set the parameters to the averages in the ``with`` block; restore them afterwards."""
        own = [get_value(parameter) for parameter in self.parameters]
        try:
            for parameter, average in zip(self.parameters, self.averages, strict=True):
                set_value(parameter, average.asnumpy())
            yield
        finally:
            for parameter, value in zip(self.parameters, own, strict=True):
                set_value(parameter, value)

    def _make_update(self) -> Callable[[], Tensor]:
        decay, parameters, averages = self.decay, self.parameters, self.averages

        def update() -> Tensor:
            for_every(ops.partial(_moved, decay), averages, parameters)
            return averages[-1]

        return update


_moved = ops.MultitypeFuncGraph("moved")


@_moved.register("Number", "Tensor", "Tensor")
def _move(decay: float, average: Tensor, value: Tensor) -> Tensor:
    if value.dtype in (ms.float32, ms.float16, ms.bfloat16):
        return ops.assign(average, average * decay + value * (1 - decay))
    return ops.assign(average, value)

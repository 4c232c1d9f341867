"""One optimizer step: forward, backward, accumulate, all-reduce, unscale, clip, update."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, amp, nn

from acmix.engine.compiled import compiled
from acmix.engine.moving_statistics import MovingStatistics
from acmix.engine.step_functions import (
    add,
    make_backward,
    make_exchange,
    make_flat_update,
    make_forward,
    make_losses,
    make_reduced_update,
    make_update,
    make_update_of_gradients,
    make_whole_step,
)
from acmix.errors import check
from acmix.parallel.all_reduce import AllReduce, Tensors
from acmix.utils.parameters import set_value
from acmix.utils.target import current_target


class StepResult(NamedTuple):
    """Result of a step. Accelerators may still compute it; reading a value waits for them."""

    losses: Tensors
    """The network's losses, averaged over the accumulated batches and the devices."""
    grad_norm: Tensor
    """Global L2 norm of the averaged gradient before clipping."""
    finite: Tensor
    """Whether loss and gradient were finite; if not, the step skipped the update."""
    stop: Tensor | float
    """Positive if any device had :attr:`TrainStep.stop` set when the step began."""


class StepParts(NamedTuple):
    """The parts of a step as separate functions, to be measured one by one.

    Called in this order they compute the same as a step. Together they take longer, since the step
    is compiled as a whole.
    """

    forward: Callable
    """``(*batch) -> losses``."""
    backward: Callable
    """``(*batch) -> (losses, gradients)``, the forward pass included."""
    all_reduce: Callable | None
    """``(*gradients) -> gradients`` averaged over devices; None on a single one."""
    update: Callable
    """``(*gradients) -> (global norm, finite)``; updates the parameters."""


class TrainStep:
    """Averages the gradient over ``accumulate`` batches and updates the parameters once.

    The mean of equally large batches' gradients is the gradient of one big batch. A step whose
    loss or gradient is not finite changes neither parameters nor running statistics nor optimizer
    state; a dynamic loss scaler then lowers its scale.

    Devices communicate once per step, in ``all_reduce``, however many batches are accumulated. All
    later decisions (overflow, loss scale, clipping, stopping) depend only on its result. Hence all
    devices take the same ones.

    Args:
        network: ``construct(*batch) -> tuple`` of scalar losses, the one to minimise first.
        optimizer: from :func:`acmix.engine.optim.create_optimizer`.
        accumulate: batches per step.
        clip_norm: largest global L2 norm of the gradient; None does not clip.
        scaler: loss scaler of mixed precision, or None.
        all_reduce: averages tensors over devices; None for a single device.

    Attributes:
        stop: set it to 1 to request that all devices stop after the same step, see
            :class:`StepResult`.
        parts: the parts of a step for profiling; training never compiles them.
    """

    def __init__(
        self,
        network: nn.Cell,
        optimizer: nn.Optimizer,
        *,
        accumulate: int = 1,
        clip_norm: float | None = None,
        scaler: amp.LossScaler | None = None,
        all_reduce: AllReduce | None = None,
    ):
        self.network = network
        self.optimizer = optimizer
        self.accumulate = accumulate
        self.scaler = scaler
        self.all_reduce = all_reduce
        self.stop = 0.0
        self.statistics = MovingStatistics(network, all_reduce)
        self._stop = Parameter(Tensor(0.0, ms.float32), name="stop", requires_grad=False)

        forward = make_forward(network, accumulate, scaler)
        backward = make_backward(forward, optimizer)
        finish = update = make_update(optimizer, clip_norm, scaler)
        if all_reduce is not None:
            finish = make_reduced_update(update, all_reduce, self._stop)
        self._function = make_whole_step(backward, finish)
        self._whole_step = compiled(self._function)
        self._backward = compiled(backward)
        self._add = compiled(add)
        self._finish = compiled(make_flat_update(finish, len(optimizer.parameters)))
        self.parts = StepParts(
            forward=compiled(make_losses(forward)),
            backward=self._backward,
            all_reduce=None if all_reduce is None else compiled(make_exchange(all_reduce)),
            update=compiled(make_update_of_gradients(update)),
        )

    def as_cell(self) -> nn.Cell:
        """Return forward, backward and update of one batch as a Cell, for tools that export it."""
        return _StepCell(self._function, self.network, self.optimizer)

    def __call__(
        self, batches: Sequence[tuple[np.ndarray, ...]], learning_rate: float
    ) -> StepResult:
        """Take one step.

        Args:
            batches: ``accumulate`` batches, each the arguments of the network.
            learning_rate: of this step.
        """
        check(
            len(batches) == self.accumulate,
            f"A step takes accumulate={self.accumulate} batches, got {len(batches)}.",
        )
        set_value(self.optimizer.learning_rate, np.array(learning_rate))
        if self.all_reduce is not None:
            set_value(self._stop, np.array(self.stop, np.float32))
        tensors = [[Tensor(array) for array in batch] for batch in batches]
        run = self._run_whole if self.accumulate == 1 else self._run_accumulated
        losses, norm, finite, *mean_stop = run(tensors)
        self.statistics.update(finite)
        return StepResult(losses, norm, finite, mean_stop[0] if mean_stop else self.stop)

    def _run_whole(self, batches: list[list[Tensor]]) -> tuple:
        """Take a step of one batch, compiled as one function."""
        result = self._whole_step(*batches[0])
        _wait_on_cpu(result[0])
        return result

    def _run_accumulated(self, batches: list[list[Tensor]]) -> tuple:
        """Add up losses and gradients of the batches, then update."""
        losses, gradients = self._backward(*batches[0])
        for batch in batches[1:]:
            _wait_on_cpu(losses)
            more_losses, more_gradients = self._backward(*batch)
            losses = self._add(*losses, *more_losses)
            gradients = self._add(*gradients, *more_gradients)
        _wait_on_cpu(losses)
        return self._finish(*[loss / self.accumulate for loss in losses], *gradients)


class _StepCell(nn.Cell):
    """A step as a Cell, which must contain the Cells whose parameters it uses."""

    def __init__(self, function: Callable, network: nn.Cell, optimizer: nn.Optimizer):
        super().__init__(auto_prefix=False)
        self.network, self.optimizer = network, optimizer
        self.function = function

    def construct(self, *batch: Tensor) -> tuple:
        """Update; return losses, norm of the gradient and whether it was finite."""
        return self.function(*batch)


def _wait_on_cpu(losses: Tensors) -> None:
    """Wait for the losses on CPU, where launching ahead makes threads compete: twice as slow."""
    if not current_target().asynchronous:
        losses[0].asnumpy()

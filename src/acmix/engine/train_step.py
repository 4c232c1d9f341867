"""One optimizer step: forward, backward, accumulate, reduce, unscale, clip, update."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, amp, nn, ops

from acmix.engine.compiled import compiled
from acmix.engine.moving_statistics import MovingStatistics
from acmix.errors import check
from acmix.utils.parameters import set_value
from acmix.utils.target import current_target

Gradients = tuple[Tensor, ...]


class StepResult(NamedTuple):
    """What a step did. On accelerators it may not be done yet: reading a value waits for it."""

    losses: tuple[Tensor, ...]
    """The network's losses, averaged over the accumulated batches and the devices."""
    grad_norm: Tensor
    """Global L2 norm of the averaged gradient before clipping."""
    finite: Tensor
    """Whether loss and gradient were finite; if not, the update was left out."""
    stop: Tensor | float
    """Positive if any device had :attr:`TrainStep.stop` set when the step began."""


class StepParts(NamedTuple):
    """The parts of a step as functions of their own, to be measured one by one.

    One after the other they do what a step does; together they take longer than the step, which
    is compiled as a whole.
    """

    forward: Callable
    """``(*batch) -> losses``."""
    backward: Callable
    """``(*batch) -> (losses, gradients)``, the forward pass included."""
    reduce: Callable | None
    """``(*gradients) -> gradients`` averaged over devices; None on a single one."""
    update: Callable
    """``(*gradients) -> (global norm, finite)``, having updated the parameters."""


class TrainStep:
    """Averages the gradient over ``accumulate`` batches and updates the parameters once.

    The mean of equally large batches' gradients is the gradient of one big batch. A step whose
    loss or gradient is not finite changes neither parameters nor running statistics nor optimizer
    state; a dynamic loss scaler then lowers its scale.

    Devices meet once in a step, in ``reduce``, however many batches are accumulated. Everything
    that is decided afterwards (overflow, loss scale, clipping, stopping) follows from what it
    returns, and hence is decided alike on all of them.

    Args:
        network: ``construct(*batch) -> tuple`` of scalar losses, the one to minimise first.
        optimizer: from :func:`acmix.engine.optim.create_optimizer`.
        accumulate: batches per step.
        clip_norm: largest global L2 norm of the gradient; None does not clip.
        scaler: loss scaler of mixed precision, or None.
        reduce: averages tensors over devices; None for a single device.

    Attributes:
        stop: set it to 1 to ask that all devices stop after the same step, see
            :class:`StepResult`.
    """

    def __init__(
        self,
        network: nn.Cell,
        optimizer: nn.Optimizer,
        *,
        accumulate: int = 1,
        clip_norm: float | None = None,
        scaler: amp.LossScaler | None = None,
        reduce: Callable[[Gradients], Gradients] | None = None,
    ):
        self.network = network
        self.optimizer = optimizer
        self.accumulate = accumulate
        self.scaler = scaler
        self.reduce = reduce
        self.stop = 0.0
        self.statistics = MovingStatistics(network, reduce)
        self._stop = Parameter(Tensor(0.0, ms.float32), name="stop", requires_grad=False)
        forward = _forward(network, accumulate, scaler)
        backward = _backward(forward, optimizer)
        finish = update = _update(optimizer, clip_norm, scaler)
        if reduce is not None:
            finish = _agreed(finish, reduce, self._stop)

        def whole_step(*batch):
            losses, gradients = backward(*batch)
            return finish(losses, gradients)

        def finish_flat(*values):
            first = len(values) - len(optimizer.parameters)
            return finish(values[:first], values[first:])

        def add(*both):
            count = len(both) // 2
            return tuple([both[i] + both[count + i] for i in range(count)])

        self._function = whole_step
        self._whole_step = compiled(whole_step)
        self._backward, self._add, self._finish = map(compiled, (backward, add, finish_flat))

        # Compiled when they are called first, which training never does.
        self.parts = StepParts(
            forward=compiled(_losses(forward)),
            backward=self._backward,
            reduce=None if reduce is None else compiled(_exchange(reduce)),
            update=compiled(_of_gradients(update)),
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
        if self.reduce is not None:
            set_value(self._stop, np.array(self.stop, np.float32))
        tensors = [[Tensor(array) for array in batch] for batch in batches]
        losses, norm, finite, *agreed = self._take(tensors)
        self.statistics.settle(finite)
        return StepResult(losses, norm, finite, agreed[0] if agreed else self.stop)

    def _take(self, batches: list[list[Tensor]]) -> tuple:
        if self.accumulate == 1:
            outcome = self._whole_step(*batches[0])
            _settle(outcome[0])
            return outcome
        losses, gradients = self._backward(*batches[0])
        for batch in batches[1:]:
            _settle(losses)
            more_losses, more = self._backward(*batch)
            losses = self._add(*losses, *more_losses)
            gradients = self._add(*gradients, *more)
        _settle(losses)
        return self._finish(*[loss / self.accumulate for loss in losses], *gradients)


class _StepCell(nn.Cell):
    """A step under the rules of Cells: their parameters must be below them."""

    def __init__(self, function: Callable, network: nn.Cell, optimizer: nn.Optimizer):
        super().__init__(auto_prefix=False)
        self.network, self.optimizer = network, optimizer
        self.function = function

    def construct(self, *batch):
        """Return losses, norm of the gradient and whether it was finite, having updated."""
        return self.function(*batch)


def _settle(losses: tuple[Tensor, ...]) -> None:
    """Wait for the losses on CPU, where launching ahead makes threads compete: twice as slow."""
    if not current_target().asynchronous:
        losses[0].asnumpy()


def _forward(network: nn.Cell, accumulate: int, scaler: amp.LossScaler | None) -> Callable:
    """``(*batch) -> (total, losses)``, the total scaled and divided by ``accumulate``."""

    def forward(*batch):
        losses = network(*batch)
        total = losses[0] / accumulate
        if scaler is not None:
            total = scaler.scale(total)
        return total, losses

    return forward


def _losses(forward: Callable) -> Callable:
    """``(*batch) -> losses`` of :func:`_forward`."""

    def losses_of(*batch):
        _, losses = forward(*batch)
        return losses

    return losses_of


def _exchange(reduce: Callable[[Gradients], Gradients]) -> Callable:
    """``(*gradients) -> gradients``, averaged over devices."""

    def exchange(*gradients):
        return reduce(gradients)

    return exchange


def _backward(forward: Callable, optimizer: nn.Optimizer) -> Callable:
    """``(*batch) -> (losses, gradients)`` of :func:`_forward`."""
    value_and_gradients = ms.value_and_grad(forward, None, optimizer.parameters, has_aux=True)

    def backward(*batch):
        (_, losses), gradients = value_and_gradients(*batch)
        return losses, gradients

    return backward


def _agreed(
    finish: Callable, reduce: Callable[[Gradients], Gradients], stop: Parameter
) -> Callable:
    """``finish`` with what it is given averaged over the devices; returns the mean of ``stop``."""

    def finish_together(losses, gradients):
        averaged = reduce((stop * 1.0, *losses, *gradients))
        first = 1 + len(losses)
        return *finish(averaged[1:first], averaged[first:]), averaged[0]

    return finish_together


def _update(
    optimizer: nn.Optimizer, clip_norm: float | None, scaler: amp.LossScaler | None
) -> Callable:
    """``(losses, gradients) -> (losses, global norm, finite)``, the parameters updated."""

    def update(losses, gradients):
        finite = amp.all_finite((losses[0], *gradients))
        if scaler is not None:
            gradients = scaler.unscale(gradients)
        norm = global_norm(gradients)
        if finite:
            if clip_norm is not None:
                optimizer(scale_by(gradients, clip_norm / ops.maximum(norm, clip_norm)))
            else:
                optimizer(gradients)
        if scaler is not None:
            scaler.adjust(finite)
        return losses, norm, finite

    return update


def _of_gradients(update: Callable) -> Callable:
    """``(*gradients) -> (global norm, finite)`` of :func:`_update`."""
    no_loss = (Tensor(0.0, ms.float32),)

    def update_of(*gradients):
        _, norm, finite = update(no_loss, gradients)
        return norm, finite

    return update_of


def global_norm(gradients: Gradients) -> Tensor:
    """Return the L2 norm of all gradients taken as one vector, float32."""
    total = ops.zeros((), ms.float32)
    for gradient in gradients:
        total = total + ops.ReduceSum()(ops.square(gradient.astype(ms.float32)))
    return ops.sqrt(total)


def scale_by(gradients: Gradients, factor: Tensor) -> Gradients:
    """Return every gradient times the scalar ``factor``."""
    return tuple([gradient * factor for gradient in gradients])

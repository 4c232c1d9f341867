"""One optimizer step: forward, backward, accumulate, reduce, unscale, clip, update."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import mindspore as ms
import numpy as np
from mindspore import Tensor, amp, nn, ops

from acmix.engine.compiled import compiled
from acmix.errors import check
from acmix.utils.parameters import set_value

Gradients = tuple[Tensor, ...]


class StepResult(NamedTuple):
    """What a step did. On accelerators it may not be done yet: reading a value waits for it."""

    losses: tuple[Tensor, ...]
    """The network's losses, averaged over the accumulated batches."""
    grad_norm: Tensor
    """Global L2 norm of the averaged gradient before clipping."""
    finite: Tensor
    """Whether the gradient was finite; if not, the update was left out."""


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
    gradient is not finite changes neither parameters nor optimizer state; a dynamic loss scaler
    then lowers its scale.

    Args:
        network: ``construct(*batch) -> tuple`` of scalar losses, the one to minimise first.
        optimizer: from :func:`acmix.engine.optim.create_optimizer`.
        accumulate: batches per step.
        clip_norm: largest global L2 norm of the gradient; None does not clip.
        scaler: loss scaler of mixed precision, or None.
        reduce: averages gradients over devices; the only place where devices meet.
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
        forward = _forward(network, accumulate, scaler)
        backward = _backward(forward, optimizer)
        update = _update(optimizer, clip_norm, scaler, reduce)

        def whole_step(*batch):
            losses, gradients = backward(*batch)
            return losses, update(*gradients)

        def add(*both):
            count = len(both) // 2
            return tuple([both[i] + both[count + i] for i in range(count)])

        self._function = whole_step
        self._whole_step = compiled(whole_step)
        self._backward, self._add, self._update = map(compiled, (backward, add, update))

        # Compiled when they are called first, which training never does.
        self.parts = StepParts(
            forward=compiled(_losses(forward)),
            backward=self._backward,
            reduce=None if reduce is None else compiled(_exchange(reduce)),
            update=compiled(_update(optimizer, clip_norm, scaler, None)),
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
        tensors = [[Tensor(array) for array in batch] for batch in batches]
        if self.accumulate == 1:
            losses, outcome = self._whole_step(*tensors[0])
            _settle(losses)
            return StepResult(losses, *outcome)
        losses, gradients = self._backward(*tensors[0])
        for batch in tensors[1:]:
            _settle(losses)
            more_losses, more = self._backward(*batch)
            losses = self._add(*losses, *more_losses)
            gradients = self._add(*gradients, *more)
        _settle(losses)
        return StepResult(
            tuple(loss / self.accumulate for loss in losses), *self._update(*gradients)
        )


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
    if ms.get_context("device_target") == "CPU":
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


def _update(
    optimizer: nn.Optimizer,
    clip_norm: float | None,
    scaler: amp.LossScaler | None,
    reduce: Callable[[Gradients], Gradients] | None,
) -> Callable:
    """``(*gradients) -> (global norm, finite)``, having updated the parameters."""

    def update(*gradients):
        if reduce is not None:
            gradients = reduce(gradients)
        finite = amp.all_finite(gradients)
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
        return norm, finite

    return update


def global_norm(gradients: Gradients) -> Tensor:
    """Return the L2 norm of all gradients taken as one vector, float32."""
    total = ops.zeros((), ms.float32)
    for gradient in gradients:
        total = total + ops.ReduceSum()(ops.square(gradient.astype(ms.float32)))
    return ops.sqrt(total)


def scale_by(gradients: Gradients, factor: Tensor) -> Gradients:
    """Return every gradient times the scalar ``factor``."""
    return tuple([gradient * factor for gradient in gradients])

"""The functions of a training step, in the form that MindSpore compiles.

Each ``make_...`` returns a closure over the network, the optimizer and the scaler, ready for
``ms.value_and_grad`` and ``ms.jit``.
"""

from __future__ import annotations

from collections.abc import Callable

import mindspore as ms
from mindspore import Parameter, Tensor, amp, mint, nn, ops

from acmix.parallel.all_reduce import AllReduce, Tensors
from acmix.utils.for_every import for_every
from acmix.utils.target import current_target

Forward = Callable[..., tuple[Tensor, Tensors]]
Backward = Callable[..., tuple[Tensors, Tensors]]
Update = Callable[[Tensors, Tensors], tuple]

MOST_JOINED = 32
"""Tensors of one concatenation on Ascend. CANN documents no limit; more are unverified."""


def make_forward(network: nn.Cell, accumulate: int, scaler: amp.LossScaler | None) -> Forward:
    """Return ``(*batch) -> (total, losses)``, the total scaled and divided by ``accumulate``."""

    def forward(*batch: Tensor) -> tuple[Tensor, Tensors]:
        losses = network(*batch)
        total = losses[0] / accumulate
        if scaler is not None:
            total = scaler.scale(total)
        return total, losses

    return forward


def make_backward(forward: Forward, optimizer: nn.Optimizer) -> Backward:
    """Return ``(*batch) -> (losses, gradients)`` of :func:`make_forward`."""
    value_and_gradients = ms.value_and_grad(forward, None, optimizer.parameters, has_aux=True)

    def backward(*batch: Tensor) -> tuple[Tensors, Tensors]:
        (_, losses), gradients = value_and_gradients(*batch)
        return losses, gradients

    return backward


def make_update(
    optimizer: nn.Optimizer, clip_norm: float | None, scaler: amp.LossScaler | None
) -> Update:
    """Return ``(losses, gradients) -> (losses, global norm, finite)``, which updates parameters.

    What concerns all gradients is done once. Their norm is finite only if all of them are, and loss
    scale and clipping are one factor.
    """
    norm_of = make_global_norm()

    def update(losses: Tensors, gradients: Tensors) -> tuple[Tensors, Tensor, Tensor]:
        norm, factor = norm_of(gradients), ops.ones((), ms.float32)
        if scaler is not None:
            norm, factor = scaler.unscale((norm, factor))
        finite = amp.all_finite((losses[0], norm))
        if clip_norm is not None:
            factor = factor * (clip_norm / ops.maximum(norm, clip_norm))
        if finite:
            if clip_norm is not None or scaler is not None:
                optimizer(scale_by(gradients, factor))
            else:
                optimizer(gradients)
        if scaler is not None:
            scaler.adjust(finite)
        return losses, norm, finite

    return update


def make_reduced_update(update: Update, all_reduce: AllReduce, stop: Parameter) -> Update:
    """Return ``update`` of losses and gradients averaged over the devices.

    Its result ends with the mean of ``stop``, which joins the same exchange.
    """

    def reduced_update(losses: Tensors, gradients: Tensors) -> tuple:
        averaged = all_reduce((stop * 1.0, *losses, *gradients))
        first = 1 + len(losses)
        return *update(averaged[1:first], averaged[first:]), averaged[0]

    return reduced_update


def make_whole_step(backward: Backward, update: Update) -> Callable[..., tuple]:
    """Return ``(*batch)``, which updates with the gradients of one batch."""

    def whole_step(*batch: Tensor) -> tuple:
        losses, gradients = backward(*batch)
        return update(losses, gradients)

    return whole_step


def make_flat_update(update: Update, parameters: int) -> Callable[..., tuple]:
    """Return ``(*losses, *gradients)``, which is ``update`` with ``parameters`` gradients."""

    def flat_update(*values: Tensor) -> tuple:
        first = len(values) - parameters
        return update(values[:first], values[first:])

    return flat_update


def add(*both: Tensor) -> Tensors:
    """Add the second half of the arguments to the first half."""
    count = len(both) // 2
    return for_every(_sum, both[:count], both[count:])


def make_losses(forward: Forward) -> Callable[..., Tensors]:
    """Return ``(*batch) -> losses`` of :func:`make_forward`."""

    def losses_of(*batch: Tensor) -> Tensors:
        _, losses = forward(*batch)
        return losses

    return losses_of


def make_exchange(all_reduce: AllReduce) -> Callable[..., Tensors]:
    """Return ``(*gradients) -> gradients``, averaged over the devices."""

    def exchange(*gradients: Tensor) -> Tensors:
        return all_reduce(gradients)

    return exchange


def make_update_of_gradients(update: Update) -> Callable[..., tuple[Tensor, Tensor]]:
    """Return ``(*gradients) -> (global norm, finite)`` of :func:`make_update`."""
    no_loss = (Tensor(0.0, ms.float32),)

    def update_of_gradients(*gradients: Tensor) -> tuple[Tensor, Tensor]:
        _, norm, finite = update(no_loss, gradients)
        return norm, finite

    return update_of_gradients


def make_global_norm() -> Callable[[Tensors], Tensor]:
    """Return ``gradients -> norm``, the L2 norm of all gradients taken as one vector, float32.

    Where reductions are slow, squares are summed by a product of each gradient with itself, else
    in a few vectors.
    """
    fast_reduce = current_target().fast_reduce

    def global_norm(gradients: Tensors) -> Tensor:
        rows = for_every(_row, gradients)
        squares: tuple = ()
        if fast_reduce:
            for first in range(0, len(rows), MOST_JOINED):
                joined = ops.cat(rows[first : first + MOST_JOINED], 1)
                squares += (mint.sum(ops.square(joined)).reshape((1, 1)),)
        else:
            squares = for_every(_square, rows)
        return ops.sqrt(mint.sum(ops.cat(squares)))

    return global_norm


def scale_by(gradients: Tensors, factor: Tensor) -> Tensors:
    """Return every gradient times the scalar ``factor``."""
    return for_every(ops.partial(product, factor), gradients)


_inner_product = ops.MatMul(transpose_b=True)
_row = ops.MultitypeFuncGraph("row")
_square = ops.MultitypeFuncGraph("square")
_sum = ops.MultitypeFuncGraph("sum")
product = ops.MultitypeFuncGraph("product")
"""``(factor, tensor)`` to their product, for :data:`.for_every`."""


@_row.register("Tensor")
def _row_of(tensor: Tensor) -> Tensor:
    return tensor.astype(ms.float32).reshape((1, -1))


@_square.register("Tensor")
def _square_of(row: Tensor) -> Tensor:
    return _inner_product(row, row)


@_sum.register("Tensor", "Tensor")
def _sum_of(one: Tensor, other: Tensor) -> Tensor:
    return one + other


@product.register("Tensor", "Tensor")
def _product_of(factor: Tensor, tensor: Tensor) -> Tensor:
    return tensor * factor

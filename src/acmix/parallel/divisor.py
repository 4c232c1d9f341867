"""Divisors of losses that count objects, equal on all ranks."""

from __future__ import annotations

import mindspore as ms
from mindspore import Tensor, nn, ops

from acmix.parallel.world import World


class Divisor(nn.Cell):
    """The number that a sum over objects is divided by, averaged over the ranks.

    Ranks have different numbers of objects, and gradients are averaged over ranks. With divisors of
    their own, objects on a rank with few would weigh more, and two ranks would not train as one
    with the double batch does.

    Shape:
        count, a scalar of any type, to the divisor, a float32 scalar. No gradient passes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.ranks = 1

    def construct(self, count: Tensor, least: float = 1.0) -> Tensor:
        """Return the larger of ``least`` and the sum over the ranks, divided by their number."""
        total = ops.stop_gradient(count.astype(ms.float32))
        if self.ranks > 1:
            total = ops.stop_gradient(ops.AllReduce()(total.reshape((1,))).reshape(()))
        return ops.maximum(total, least) / self.ranks


def share_divisors(network: nn.Cell, world: World | None) -> None:
    """Let every :class:`Divisor` of a network sum over the ranks; call it before compiling."""
    for _, cell in network.cells_and_names():
        if isinstance(cell, Divisor):
            cell.ranks = 1 if world is None else world.size

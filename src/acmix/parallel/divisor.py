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

    def construct(self, count: Tensor) -> Tensor:
        """Return the sum over the ranks, at least 1, divided by their number."""
        total = count.astype(ms.float32)
        if self.ranks > 1:
            total = ops.AllReduce()(total.reshape((1,))).reshape(())
        return ops.stop_gradient(ops.maximum(total, 1) / self.ranks)


def share_divisors(network: nn.Cell, world: World | None) -> None:
    """Let every :class:`Divisor` of a network sum over the ranks; call it before compiling."""
    for _, cell in network.cells_and_names():
        if isinstance(cell, Divisor):
            cell.ranks = 1 if world is None else world.size

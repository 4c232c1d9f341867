"""All-reduce of a step's tensors to their means, in few exchanges."""

from __future__ import annotations

import math
from collections.abc import Callable

from mindspore import Tensor, ops

from acmix.utils.for_every import for_every
from acmix.utils.target import TARGETS, current_target

Tensors = tuple[Tensor, ...]
AllReduce = Callable[[Tensors], Tensors]
Buckets = tuple[tuple[int, int, tuple[int, ...]], ...]

MOST_TENSORS = 64
"""Limit per exchange: graph mode unrolls loops over tensors, to a limited depth. An exchange for
each bias would consist of latency alone."""


def bucket_size(device: str) -> int:
    """Return the least number of values in one exchange on a device target."""
    return TARGETS[device].exchange_size


def make_all_reduce_mean(size: int) -> AllReduce:
    """Return ``(tensors) -> tensors``, float32, averaged over the ``size`` devices.

    NaN and infinities of one device reach all, so that all take the same decisions.
    """
    all_reduce = ops.AllReduce()
    bucket = current_target().exchange_size

    @ops.constexpr
    def plan(shapes: tuple[tuple[int, ...], ...]) -> Buckets:
        return buckets(shapes, bucket)

    def all_reduce_mean(tensors: Tensors) -> Tensors:
        averaged = ()
        for start, stop, sizes in plan(for_every(_shape, tensors)):
            group = tensors[start:stop]
            mean = all_reduce(ops.concat(for_every(_flat, group))) / size
            averaged += for_every(_shaped, ops.split(mean, sizes), group)
        return averaged

    return all_reduce_mean


def buckets(shapes: tuple[tuple[int, ...], ...], least: int) -> Buckets:
    """Group neighbours until there are ``least`` numbers or :data:`MOST_TENSORS` tensors.

    Returns:
        First and last index, exclusive, of each group, and the sizes in it.
    """
    sizes = [math.prod(shape) for shape in shapes]
    found, start = [], 0
    for stop in range(1, len(sizes) + 1):
        full = sum(sizes[start:stop]) >= least or stop - start == MOST_TENSORS
        if full or stop == len(sizes):
            found.append((start, stop, tuple(sizes[start:stop])))
            start = stop
    return tuple(found)


_shape = ops.MultitypeFuncGraph("shape")
_flat = ops.MultitypeFuncGraph("flat")
_shaped = ops.MultitypeFuncGraph("shaped")


@_shape.register("Tensor")
def _shape_of(tensor: Tensor) -> tuple[int, ...]:
    return tensor.shape


@_flat.register("Tensor")
def _flat_of(tensor: Tensor) -> Tensor:
    return tensor.reshape((-1,))


@_shaped.register("Tensor", "Tensor")
def _shaped_like(flat: Tensor, tensor: Tensor) -> Tensor:
    return flat.reshape(tensor.shape)

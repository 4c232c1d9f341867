"""Means over all devices of a step's tensors, in few exchanges."""

from __future__ import annotations

import math
from collections.abc import Callable

from mindspore import Tensor, ops

from acmix.utils.target import TARGETS, current_target

MOST_TENSORS = 64
"""In one exchange: graph mode unrolls loops over them, to a limited depth. An exchange for each
bias would be latency alone."""


def bucket_size(device: str) -> int:
    """Return how many numbers are exchanged together, at least, between devices of a kind."""
    return TARGETS[device].exchange_size


def averaging(size: int) -> Callable[[tuple[Tensor, ...]], tuple[Tensor, ...]]:
    """Return ``(tensors) -> tensors``, float32, averaged over the ``size`` devices.

    NaN and infinities of one device arrive on all: what is decided by the result is decided alike.
    """
    all_reduce = ops.AllReduce()
    every = ops.HyperMap()
    bucket = current_target().exchange_size

    @ops.constexpr
    def plan(shapes):
        return buckets(shapes, bucket)

    def average(tensors):
        averaged = ()
        for start, stop, sizes in plan(every(_shape, tensors)):
            group = tensors[start:stop]
            mean = all_reduce(ops.concat(every(_flat, group))) / size
            averaged += every(_shaped, ops.split(mean, sizes), group)
        return averaged

    return average


def buckets(
    shapes: tuple[tuple[int, ...], ...], least: int
) -> tuple[tuple[int, int, tuple[int, ...]], ...]:
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
def _shape_of(tensor):
    return tensor.shape


@_flat.register("Tensor")
def _flat_of(tensor):
    return tensor.reshape((-1,))


@_shaped.register("Tensor", "Tensor")
def _shaped_like(flat, tensor):
    return flat.reshape(tensor.shape)

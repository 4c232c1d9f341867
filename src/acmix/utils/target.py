"""Properties of devices that select a formulation; the only module that knows devices."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import mindspore as ms


@dataclass(frozen=True)
class Target:
    """A device target of MindSpore 2.8 and its properties.

    ``docs/performance.md`` and ``docs/ascend.md`` hold the measurements and sources.

    Attributes:
        name: ``CPU``, ``GPU`` or ``Ascend``.
        group_conv: Conv2D takes any number of groups. On Ascend only the depthwise case is
            documented.
        fast_layer_norm: the LayerNorm kernel is worth calling. On CPU it takes twice as long as the
            rest of a Swin block's elementwise work.
        layer_norm_gradient_has_epsilon: LayerNormGrad adds LayerNorm's epsilon to the variance.
        fast_reduce: ReduceSum is worth calling. On CPU it takes several times as long as a product
            with ones; the gradient of a softmax needs one.
        fast_broadcast: broadcasts and transpositions run at the speed of memory. On CPU they look
            up a 64-bit index for each number.
        fast_erf: the error function costs as much as other elementwise operators. On CPU it takes
            as long as eight polynomials.
        slice_gradient: the gradient of Slice is an operator of the device. On Ascend it is
            MindSpore's own AICPU operator CustSliceGrad; the gradient of StridedSlice is CANN's. On
            CPU that of Slice takes three quarters of the other's time.
        cached_logits: float32 logits that fit into the cache. Attention is computed in chunks of at
            most that size. None if chunks gain nothing. 2^19 fill the second-level caches, 2 MiB,
            of two CPU cores.
        asynchronous: operators return before they have run, so that a timer must synchronise.
        exchange_size: least number of values in one exchange between devices. MindSpore's exchange
            on CPU slows down with larger ones. Elsewhere it is 25 MiB of float32, as in PyTorch's
            DistributedDataParallel (Li et al., VLDB 2020).
    """

    name: str
    group_conv: bool
    fast_layer_norm: bool
    layer_norm_gradient_has_epsilon: bool
    fast_reduce: bool
    fast_broadcast: bool
    fast_erf: bool
    slice_gradient: bool
    cached_logits: int | None
    asynchronous: bool
    exchange_size: int


TARGETS = {
    target.name: target
    for target in (
        Target(
            "CPU",
            group_conv=True,
            fast_layer_norm=False,
            layer_norm_gradient_has_epsilon=True,
            fast_reduce=False,
            fast_broadcast=False,
            fast_erf=False,
            slice_gradient=True,
            cached_logits=2**19,
            asynchronous=False,
            exchange_size=2**20,
        ),
        # Not measured: the settings of CPU, except for those that avoid slow CPU kernels.
        Target(
            "GPU",
            group_conv=True,
            fast_layer_norm=False,
            layer_norm_gradient_has_epsilon=True,
            fast_reduce=False,
            fast_broadcast=True,
            fast_erf=False,
            slice_gradient=True,
            cached_logits=None,
            asynchronous=True,
            exchange_size=25 * 2**20 // 4,
        ),
        Target(
            "Ascend",
            group_conv=False,
            fast_layer_norm=True,
            layer_norm_gradient_has_epsilon=False,
            fast_reduce=True,
            fast_broadcast=True,
            fast_erf=True,
            slice_gradient=False,
            cached_logits=None,
            asynchronous=True,
            exchange_size=25 * 2**20 // 4,
        ),
    )
}

_BUILT_FOR: ContextVar[Target | None] = ContextVar("built_for", default=None)


def current_target() -> Target:
    """Return the target set by :func:`target_set_to`, else that of the process.

    Cells call it during construction.
    """
    return _BUILT_FOR.get() or running_target()


def running_target() -> Target:
    """Return the target of the process, whose operators compute whatever was built."""
    return TARGETS[ms.get_context("device_target")]


@contextmanager
def target_set_to(name: str) -> Iterator[None]:
    """Make :func:`current_target` return the target ``name`` in the body."""
    token = _BUILT_FOR.set(TARGETS[name])
    try:
        yield
    finally:
        _BUILT_FOR.reset(token)

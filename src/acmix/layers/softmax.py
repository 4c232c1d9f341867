"""A softmax in float32, its gradient in the formulation that is fastest on the target."""

from __future__ import annotations

from typing import Any

import mindspore as ms
from mindspore import Tensor, ops

from acmix.layers.full_precision import FullPrecision
from acmix.ops.constants import column_of_ones
from acmix.utils.target import current_target


class Softmax(FullPrecision):
    """Softmax over the last axis; float32 also where mixed precision computes in half precision.

    MindSpore's gradient has a ReduceSum. On CPU that takes several times as long as the softmax, so
    that a product with ones replaces it there, see ``docs/performance.md``.

    Shape:
        (..., M) in any floating-point dtype to the same in float32.
    """

    def __init__(self) -> None:
        super().__init__()
        native = current_target().fast_reduce
        self.softmax: Any = ops.Softmax(-1) if native else _Softmax()

    def construct(self, logits: Tensor) -> Tensor:
        """Normalise."""
        return self.softmax(logits.astype(ms.float32))


class _Softmax(FullPrecision):
    def __init__(self) -> None:
        super().__init__()
        self.softmax = ops.Softmax(-1)

    def construct(self, logits: Tensor) -> Tensor:
        return self.softmax(logits)

    def bprop(self, logits: Tensor, weights: Tensor, gradient: Tensor) -> tuple[Tensor]:
        shape = logits.shape
        weights = weights.reshape((-1, shape[-1]))
        gradient = gradient.reshape((-1, shape[-1]))
        mean = ops.MatMul()(weights * gradient, column_of_ones(shape[-1]))
        return ((weights * (gradient - mean)).reshape(shape),)

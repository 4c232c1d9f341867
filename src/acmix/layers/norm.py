"""LayerNorm in the formulation that is fastest on the target."""

from __future__ import annotations

from typing import Any

import numpy as np
from mindspore import Tensor, nn, ops
from mindspore.ops.operations import _grad_ops

from acmix.layers.row_bias import row_bias
from acmix.utils.cells import kept_arguments
from acmix.utils.parameters import forget
from acmix.utils.target import current_target, running_target


class LayerNorm(nn.LayerNorm):
    """LayerNorm over the last axis, with MindSpore's parameters under MindSpore's names.

    It is MindSpore's operator where the target runs that fast (:class:`LayerNormOperator`).
    Elsewhere both means are products with a column of 1 / C. Mean, deviation and gamma are spread
    to the shape of x by products, too. This formulation is exact and has no broadcasts, see
    ``docs/performance.md``.

    Args:
        channels: C.
        epsilon: added to the variance.

    Shape:
        (B, ..., C) to the same.
    """

    gamma: Any
    beta: Any

    def __init__(self, channels: int, epsilon: float = 1e-5):
        super().__init__((channels,), epsilon=epsilon)
        self.channels = channels
        self.native = current_target().fast_layer_norm
        self.operator: Any = LayerNormOperator(epsilon) if self.native else None
        self.affine = True
        self.average = Tensor(np.full((channels, 1), 1 / channels, np.float32))
        self.ones = Tensor(np.ones((1, channels), np.float32))
        self.product = ops.MatMul()
        self.add_beta = row_bias()

    def extend_repr(self) -> str:
        """Return what ``print`` shows of the Cell beside its parts."""
        return kept_arguments(self, epsilon=self.epsilon)

    def construct(self, x: Tensor) -> Tensor:
        """Normalise."""
        if self.native:
            gamma, beta = self.gamma.astype(x.dtype), self.beta.astype(x.dtype)
            return self.operator(x, gamma, beta)[0]
        average, ones = self.average.astype(x.dtype), self.ones.astype(x.dtype)
        rows = x.reshape((-1, self.channels))
        centred = rows - self.product(self.product(rows, average), ones)
        variance = self.product(centred * centred, average)
        gamma = self.gamma.reshape((1, -1)).astype(x.dtype) if self.affine else ones
        rows = centred * self.product(1 / ops.sqrt(variance + self.epsilon), gamma)
        if self.affine:
            rows = self.add_beta(rows, self.beta.astype(x.dtype))
        return rows.reshape((-1, *x.shape[1:]))

    def drop_affine(self) -> None:
        """Drop gamma and beta, which the next layer has absorbed."""
        forget(self, "gamma", "beta")
        self.affine = False


class LayerNormOperator(nn.Cell):
    """MindSpore's operator LayerNorm over the last axis, whose gradient knows epsilon.

    LayerNormGrad takes the variance without epsilon. On CPU and GPU it has an attribute for that,
    which MindSpore sets. CANN's has none, and adds 1e-12 (``layer_norm_x_backprop_v2`` among its
    published operators): where pixels hardly differ from one another, as in the zeros that pad an
    image, its gradient is up to thousands of times too large. So it is given the sum.

    Args:
        epsilon: added to the variance.

    Shape:
        x: (B, ..., C). gamma, beta: (C,). Output: as x, and mean and variance: (B, ..., 1).
    """

    def __init__(self, epsilon: float):
        super().__init__()
        self.norm = ops.LayerNorm(-1, -1, epsilon)
        self.gradient = _grad_ops.LayerNormGrad(-1, -1)
        self.missing = epsilon
        if running_target().layer_norm_gradient_has_epsilon:
            self.gradient.add_prim_attr("epsilon", epsilon)
            self.missing = 0.0

    def construct(self, x: Tensor, gamma: Tensor, beta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the output, the mean and the variance."""
        return self.norm(x, gamma, beta)

    def bprop(
        self, x: Tensor, gamma: Tensor, beta: Tensor, out: Any, gradient: Any
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the gradients by x, gamma and beta for that by the output."""
        _, mean, variance = out
        return self.gradient(x, gradient[0], variance + self.missing, mean, gamma)

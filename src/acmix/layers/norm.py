"""LayerNorm, written as what is fastest on the device."""

from __future__ import annotations

from typing import Any

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from acmix.utils.parameters import forget


class LayerNorm(nn.LayerNorm):
    """LayerNorm over the last axis, with MindSpore's parameters under MindSpore's names.

    On Ascend it is MindSpore's operator. On CPU, where that takes twice as long as the rest of a
    Swin block's elementwise work, and its gradient more, the two means are products with a column
    of 1 / C, and what is subtracted and multiplied is brought to the shape of x by products, too,
    gamma with it: an exact formulation without broadcasts, see ``docs/performance.md``.

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
        self.native = ms.get_context("device_target") == "Ascend"
        self.affine = True
        self.average = Tensor(np.full((channels, 1), 1 / channels, np.float32))
        self.ones = Tensor(np.ones((1, channels), np.float32))
        self.product = ops.MatMul()

    def construct(self, x: Tensor) -> Tensor:
        """Normalise."""
        if self.native:
            gamma, beta = self.gamma.astype(x.dtype), self.beta.astype(x.dtype)
            return self.layer_norm(x, gamma, beta)[0]
        average, ones = self.average.astype(x.dtype), self.ones.astype(x.dtype)
        rows = x.reshape((-1, self.channels))
        centred = rows - self.product(self.product(rows, average), ones)
        variance = self.product(centred * centred, average)
        gamma = self.gamma.reshape((1, -1)).astype(x.dtype) if self.affine else ones
        rows = centred * self.product(1 / ops.sqrt(variance + self.epsilon), gamma)
        if self.affine:
            rows = ops.bias_add(rows, self.beta.astype(x.dtype))
        return rows.reshape((-1, *x.shape[1:]))

    def drop_affine(self) -> None:
        """Leave gamma and beta to the layers behind, for inference."""
        forget(self, "gamma", "beta")
        self.affine = False

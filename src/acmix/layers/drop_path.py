"""Parts of tensors that are dropped in training: branches, channels, single numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from mindspore import Tensor, nn, ops

from acmix.errors import check
from acmix.ops import random


def drop_path_rates(drop_path_rate: float, depths: Sequence[int]) -> Iterator[float]:
    """Yield the rate of each block of a network with stages of ``depths`` blocks.

    They grow linearly from 0 in the first block to ``drop_path_rate`` in the last, over all stages.
    """
    yield from np.linspace(0, drop_path_rate, sum(depths)).tolist()


class Drop(nn.Cell):
    """Drop each element of the leading axes with probability ``rate``, and scale the others up.

    Active in training only. The random state is a Parameter, so that it goes into checkpoints and a
    resumed run draws what the uninterrupted one would have drawn.

    Args:
        rate: probability, 0 <= rate < 1.

    Shape:
        x: (B, ...), the leading axes static. Output: the same.
    """

    axes = 1
    argument = "rate"

    def __init__(self, rate: float):
        super().__init__()
        check(0 <= rate < 1, f"{self.argument} must be at least 0 and below 1, got {rate}.")
        self.keep = 1.0 - rate
        self.random_state = None
        if rate > 0:
            self.random_state = random.state_parameter()

    def extend_repr(self) -> str:
        """Return what ``print`` shows of the Cell beside its parts."""
        return f"{self.argument}={1 - self.keep:.4g}"

    def construct(self, x: Tensor) -> Tensor:
        """Drop or scale."""
        if self.random_state is None or not self.training:
            return x
        count = 1
        for size in x.shape[: self.axes]:
            count *= size
        numbers = random.draw(self.random_state, count)
        kept = ops.floor(numbers + self.keep) / self.keep
        shape = x.shape[: self.axes] + (1,) * (x.ndim - self.axes)
        return x * kept.astype(x.dtype).reshape(shape)

    def for_inference(self) -> nn.Cell:
        """See :mod:`acmix.layers.inference`."""
        return nn.Identity()


class DropPath(Drop):
    """Stochastic depth (Huang et al., ECCV 2016): drop the whole branch for a sample."""

    argument = "drop_path_rate"


class DropChannels(Drop):
    """Dropout of whole maps (Tompson et al., CVPR 2015): drop channels of (B, C, H, W)."""

    axes = 2
    argument = "dropout"


class Dropout(Drop):
    """Dropout (Srivastava et al., JMLR 2014): drop each number, whatever the shape."""

    axes = 8  # more than a tensor has
    argument = "dropout"

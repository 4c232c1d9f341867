"""Stochastic depth (Huang et al., ECCV 2016)."""

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


class DropPath(nn.Cell):
    """Drop the whole branch for a sample with probability ``rate``, and scale the others up.

    Active in training only. The random state is a Parameter, so that it goes into checkpoints and a
    resumed run draws what the uninterrupted one would have drawn.

    Args:
        rate: probability, 0 <= rate < 1.

    Shape:
        x: (B, ...), B static. Output: the same.
    """

    def __init__(self, rate: float):
        super().__init__()
        check(0 <= rate < 1, f"drop_path_rate must be at least 0 and below 1, got {rate}.")
        self.keep = 1.0 - rate
        self.random_state = None
        if rate > 0:
            self.random_state = random.state_parameter()

    def construct(self, x: Tensor) -> Tensor:
        """Drop or scale the branch."""
        if self.random_state is None or not self.training:
            return x
        numbers = random.draw(self.random_state, x.shape[0])
        kept = ops.floor(numbers + self.keep) / self.keep
        return x * kept.astype(x.dtype).reshape((-1,) + (1,) * (x.ndim - 1))

    def for_inference(self) -> nn.Cell:
        """See :mod:`acmix.layers.inference`."""
        return nn.Identity()

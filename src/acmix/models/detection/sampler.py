"""A random sample of matched anchors with a fixed share of positives, in static shapes."""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

from acmix.errors import check
from acmix.models.detection.matcher import BACKGROUND
from acmix.ops import random
from acmix.ops.constants import tensor_constant
from acmix.ops.linear import take_elements
from acmix.ops.ranking import largest


class BalancedSampler(nn.Cell):
    """Sample anchors or proposals for a loss (Ren et al., NeurIPS 2015, Sec. 3.1.3).

    Every call draws anew, uniformly and without replacement: at most ``positive_fraction`` of the
    sample from the matched ones, the rest from the background. Where there are fewer positives,
    background takes their places; where that is short too, places stay empty.

    Args:
        num_samples: S, places per image.
        positive_fraction: largest share of positives, 0 < positive_fraction <= 1.

    Shape:
        matched: (B, A) int32 from :class:`~acmix.models.detection.matcher.Matcher`. Outputs:
        index (B, S) int32, the anchors, positives first; positive (B, S) bool; valid (B, S) bool,
        False for the empty places at the end, whose index is any anchor.

    Raises:
        UserError: ``num_samples`` is below 1, or ``positive_fraction`` out of range or so small
            that no positive would ever be taken.
    """

    def __init__(self, num_samples: int, positive_fraction: float):
        super().__init__()
        check(num_samples >= 1, f"num_samples must be at least 1, got {num_samples}.")
        check(
            0 < positive_fraction <= 1 and int(num_samples * positive_fraction) >= 1,
            "positive_fraction must be above 0, at most 1, and leave a place for a positive, got "
            f"{positive_fraction} of num_samples={num_samples}.",
        )
        self.num_samples = num_samples
        self.num_positives = int(num_samples * positive_fraction)
        self.random_state = random.state_parameter()

    def construct(self, matched: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Draw a sample of every image."""
        numbers = random.draw(self.random_state, matched.size).reshape(matched.shape)
        positives, num_positives = _draw(matched >= 0, numbers, self.num_positives)
        background, num_background = _draw(matched == BACKGROUND, numbers, self.num_samples)
        # Positives fill the first places of the sample, background the next ones.
        place = _places(self.num_samples)
        positive = place < num_positives
        rank = place - num_positives
        valid = ops.logical_or(positive, rank < num_background)
        from_positives = place + ops.zeros_like(num_positives)
        from_background = positives.shape[1] + rank
        column = ops.select(positive, from_positives, from_background)
        drawn = ops.cat((positives, background), 1)
        column = ops.minimum(column, drawn.shape[1] - 1)
        return take_elements(drawn, column), positive, valid


def _draw(members: Tensor, numbers: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Draw up to ``most`` of the members (B, A) bool, those with the largest random numbers.

    Returns:
        The indices (B, min(most, A)) int32, members first, and how many of them are members (B, 1).
    """
    numbers = ops.select(members, numbers, -1.0)
    drawn, index = largest(numbers, min(most, members.shape[1]))
    count = ops.ReduceSum(keep_dims=True)((drawn >= 0).astype(ms.float32), 1)
    return index, count.astype(ms.int32)


@tensor_constant
def _places(size: int) -> np.ndarray:
    return np.arange(size, dtype=np.int32)[None]

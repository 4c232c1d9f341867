"""Steps of optimizers."""

from __future__ import annotations

import numpy as np

from acmix.tools.rehearsal.npu.registry import operator

Updated = tuple[np.ndarray, np.ndarray, np.ndarray]


@operator(
    "AdamApplyOneWithDecayAssign",
    "input0 input1 input2 input3 input4 mul0_x mul1_x mul2_x mul3_x mul4_x add2_y "
    ">input1 >input2 >input3",
)
def adam_with_decay(
    gradient: np.ndarray,
    second: np.ndarray,
    first: np.ndarray,
    weight: np.ndarray,
    rate: np.ndarray,
    first_kept: np.ndarray,
    first_taken: np.ndarray,
    second_kept: np.ndarray,
    second_taken: np.ndarray,
    decay: np.ndarray,
    epsilon: np.ndarray,
) -> Updated:
    """Return the second moment v, the first moment m and the weight w.

    v <- second_kept v + second_taken gradient², m <- first_kept m + first_taken gradient,
    w <- w - rate (m / (sqrt(v) + epsilon) + decay w).
    """
    second = gradient * gradient * second_taken + second * second_kept
    first = first * first_kept + gradient * first_taken
    update = first / (np.sqrt(second) + epsilon) + weight * decay
    return second, first, weight - update * rate

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


@operator("SGD", "parameters gradient learning_rate &accum momentum &stat >parameters")
def stochastic_gradient_descent(
    weight: np.ndarray,
    gradient: np.ndarray,
    rate: np.ndarray,
    accumulated: np.ndarray,
    momentum: np.ndarray,
    is_first: np.ndarray,
    *,
    dampening: float = 0,
    weight_decay: float = 0,
    nesterov: bool = False,
) -> Updated:
    """Return the accumulated gradients, what marks a first step (1, then 0), and the weight.

    g <- gradient + weight_decay w, a <- momentum a + (1 - dampening) g, in a first step undamped,
    w <- w - rate a, or with Nesterov's momentum w - rate (g + momentum a). Without momentum nothing
    is accumulated.
    """
    gradient = gradient + weight_decay * weight
    step = accumulated * momentum + gradient - gradient * (1 - is_first) * dampening
    moved = gradient * rate + step * momentum * rate if nesterov else step * rate
    if momentum == 0:
        return accumulated, is_first, weight - moved
    return step, np.zeros_like(is_first), weight - moved


@operator("ApplyMomentum", "var &accum lr grad momentum >var")
def apply_momentum(
    weight: np.ndarray,
    accumulated: np.ndarray,
    rate: np.ndarray,
    gradient: np.ndarray,
    momentum: np.ndarray,
    *,
    use_nesterov: bool = False,
    use_locking: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the accumulated gradients and the weight.

    a <- momentum a + gradient, w <- w - rate a, or w - rate (gradient + momentum a).
    """
    step = accumulated * momentum + gradient
    moved = gradient * rate + step * momentum * rate if use_nesterov else step * rate
    return step, weight - moved

"""Uniform random numbers whose whole state is an ordinary tensor.

MindSpore's random operators keep their state inside the kernel, where nothing can save or restore
it (nn.Dropout, ops.rand), or have no CPU kernel (the operators that take seed and offset). A
resumed run would draw other numbers than the uninterrupted one. Here the state is three int32
numbers: a Cell that keeps them in a Parameter draws, after resuming, exactly what it would have
drawn, on every device and in both execution modes.

The generator is that of Wichmann and Hill, "Algorithm AS 183: An Efficient and Portable
Pseudo-Random Number Generator", Applied Statistics 31 (1982) 188-190: three small multiplicative
congruential generators, their fractions added modulo 1; period 7.0e12. Every product fits int32.
"""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import Parameter, Tensor, ops

from acmix.errors import check
from acmix.ops.constants import tensor_constant
from acmix.utils.parameters import make_parameter

MULTIPLIERS = (171, 172, 170)
MODULI = (30269, 30307, 30323)
ROW = 4096
"""Numbers that are drawn from one table; more of them are drawn in rows of as many."""


def random_state(seed: int) -> np.ndarray:
    """Return the state (3,) int32 that ``seed`` stands for; each part is in 1..modulus-1.

    Raises:
        UserError: ``seed`` is negative.
    """
    check(seed >= 0, f"seed must not be negative, got {seed}.")
    return np.random.default_rng(seed).integers(1, MODULI).astype(np.int32)


def ahead(state: np.ndarray, count: int) -> np.ndarray:
    """Return the state (3,) in which ``count`` drawn numbers leave ``state``, without drawing."""
    factors = [pow(a, count, m) for a, m in zip(MULTIPLIERS, MODULI, strict=True)]
    return (state.astype(np.int64) * factors % MODULI).astype(np.int32)


def state_parameter() -> Parameter:
    """Return a state for a Cell to keep; NumPy's seed decides it, hence ``ms.set_seed`` too."""
    state = random_state(int(np.random.randint(2**31 - 1)))
    return make_parameter(state, "random_state")


def draw(state: Parameter, size: int) -> Tensor:
    """Draw ``size`` numbers in [0, 1) as :func:`uniform` does, and advance ``state``."""
    sums, following = _sums(state, size)
    return _fractions(ops.depend(sums, ops.assign(state, following)))


def uniform(state: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Draw ``size`` numbers and return them with the state that follows.

    Args:
        state: (3,) int32, from :func:`random_state` or an earlier call.
        size: how many numbers, a static int.

    Returns:
        float32 (size,) in [0, 1), and the next state (3,) int32.
    """
    sums, following = _sums(state, size)
    return _fractions(sums), following


def _sums(state: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Return the sums of the generators' fractions (size,), and the next state."""
    moduli = _moduli()
    if size <= ROW:
        sequence = ops.floor_mod(state.reshape(3, 1) * _jumps(size), moduli)
    else:  # in rows: a table of all jumps would take as long to make as an epoch
        rows = -(-size // ROW)
        starts = ops.floor_mod(state.reshape(3, 1) * _row_jumps(rows), moduli)
        sequence = starts.reshape(3, rows, 1) * _jumps(ROW).reshape(3, 1, ROW)
        sequence = ops.floor_mod(sequence.reshape(3, rows * ROW), moduli)[:, :size]
    sums = ops.ReduceSum()(sequence.astype(ms.float32) / moduli.astype(ms.float32), 0)
    return sums, sequence[:, size - 1]


def _fractions(sums: Tensor) -> Tensor:
    return _difference(sums, ops.floor(sums))


# Recomputation stops here: what comes before would draw again, from the advanced state.
_difference = ops.Sub().recompute(False)


@tensor_constant
def _moduli() -> np.ndarray:
    return np.array(MODULI, np.int32)[:, None]


@tensor_constant
def _jumps(size: int) -> np.ndarray:
    """Powers 1..size of each multiplier: the i-th number of the sequence in one product."""
    return _powers(range(1, size + 1))


@tensor_constant
def _row_jumps(rows: int) -> np.ndarray:
    """Powers of each multiplier that lead to the state before every row."""
    return _powers(range(0, rows * ROW, ROW))


def _powers(exponents: range) -> np.ndarray:
    powers = [
        [pow(multiplier, i, modulus) for i in exponents]
        for multiplier, modulus in zip(MULTIPLIERS, MODULI, strict=True)
    ]
    return np.array(powers, np.int32)

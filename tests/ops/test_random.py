"""Wichmann-Hill uniforms against the published sequential algorithm."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from acmix.errors import UserError
from acmix.ops.random import ROW, random_state, uniform


def algorithm_as_183(state, size):
    """The three lines of the paper, one number at a time in Python integers."""
    x, y, z = (int(part) for part in state)
    numbers = []
    for _ in range(size):
        x, y, z = 171 * x % 30269, 172 * y % 30307, 170 * z % 30323
        numbers.append((x / 30269 + y / 30307 + z / 30323) % 1.0)
    return np.array(numbers), (x, y, z)


def draw(mode, state, size):
    def function(state):
        return uniform(state, size)

    function = ms.jit(function) if mode == "graph" else function
    return function(Tensor(state, ms.int32))


@pytest.mark.parametrize(
    ("state", "size"),
    [((1, 1, 1), 97), ((30268, 30306, 30322), 97), ((123, 4567, 29999), 97),
     ((30268, 30306, 30322), ROW), ((123, 4567, 29999), 2 * ROW + 3)],
)  # fmt: skip
def test_numbers_and_next_state_are_those_of_the_paper(mode, state, size):
    numbers, following = draw(mode, state, size)
    expected, expected_state = algorithm_as_183(state, size)
    np.testing.assert_allclose(numbers.asnumpy(), expected, atol=5e-7)
    assert tuple(following.asnumpy()) == expected_state


def test_two_draws_continue_each_other(mode):
    state = random_state(5)
    whole, _ = draw(mode, state, 8)
    first, following = draw(mode, state, 5)
    second, _ = draw(mode, following.asnumpy(), 3)
    assert np.array_equal(whole.asnumpy(), np.concatenate([first.asnumpy(), second.asnumpy()]))


def test_numbers_are_uniform_and_uncorrelated():
    numbers = draw("graph", random_state(0), 20000)[0].asnumpy()
    assert numbers.min() >= 0
    assert numbers.max() < 1
    counts = np.histogram(numbers, bins=20, range=(0, 1))[0]
    chi_squared = ((counts - 1000) ** 2 / 1000).sum()
    assert chi_squared < 43.8  # 99.9 % point for 19 degrees of freedom
    assert abs(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) < 4 / np.sqrt(20000)


def test_seeds_give_different_valid_states():
    states = np.array([random_state(seed) for seed in range(50)])
    assert (states >= 1).all()
    assert (states < (30269, 30307, 30323)).all()
    assert len(np.unique(states, axis=0)) == 50


def test_negative_seed_is_refused():
    with pytest.raises(UserError, match="seed must not be negative, got -1"):
        random_state(-1)

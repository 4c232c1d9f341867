"""Rows in another order: values and gradients, with and without copies."""

import numpy as np
import pytest
from against_oracle import assert_matches, close
from mindspore import Tensor, nn, ops

from acmix.layers.rearrange import Rearrange, Roll


def rearranged(x, there, back, cotangent):
    gradient = ops.GradOperation(sens_param=True)(Rearrange())
    arguments = [Tensor(array.astype(np.int32)) for array in (there, back)]
    x = Tensor(x)
    return (
        Rearrange()(x, *arguments).asnumpy(),
        gradient(x, *arguments, Tensor(cotangent)).asnumpy(),
    )


def test_a_permutation(mode, rng):
    x, cotangent = rng.standard_normal((2, 2, 5, 3)).astype(np.float32)
    there = rng.permutation(5)
    out, gradient = rearranged(x, there, np.argsort(there), cotangent)
    np.testing.assert_array_equal(out, x[:, there])
    expected = np.zeros_like(x)
    np.add.at(expected, (slice(None), there), cotangent)
    close(gradient, expected, 1e-6, "gradient")


def test_copies_that_do_not_reach_the_loss(rng):
    x = rng.standard_normal((1, 3, 2)).astype(np.float32)
    cotangent = rng.standard_normal((1, 5, 2)).astype(np.float32)
    there, back = np.array([1, 1, 0, 2, 0]), np.array([2, 0, 3])
    cotangent[:, [1, 4]] = 0
    out, gradient = rearranged(x, there, back, cotangent)
    np.testing.assert_array_equal(out, x[:, there])
    np.testing.assert_array_equal(gradient, cotangent[:, back])


class Rolled(nn.Cell):
    def __init__(self, shift):
        super().__init__()
        self.roll, self.shift = Roll(), shift

    def construct(self, x):
        return self.roll(x, self.shift)


@pytest.mark.parametrize("shift", [-3, 0, 1, 5])
def test_a_roll_is_numpys(shift, rng):
    x = rng.standard_normal((2, 4, 5, 3))
    assert_matches(Rolled(shift), lambda x, _: np.roll(x[0], (shift, shift), (1, 2)), [x], rng)

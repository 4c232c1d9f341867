"""Rows in another order: values and gradients, with and without copies."""

import numpy as np
from against_oracle import close
from mindspore import Tensor, ops

from acmix.layers.rearrange import Rearrange


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

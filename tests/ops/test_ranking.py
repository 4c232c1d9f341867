"""The largest numbers of rows, against NumPy."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor

from acmix.ops.ranking import largest


def first_three(x):
    return largest(x, 3)


@pytest.mark.parametrize("shape", [(9,), (2, 9), (2, 4, 3)])
def test_the_largest_are_numpys(shape, mode, rng):
    x = rng.normal(size=shape).astype(np.float32)
    function = ms.jit(first_three) if mode == "graph" else first_three
    numbers, places = function(Tensor(x))
    expected = np.argsort(-x, axis=-1)[..., :3]
    assert places.dtype == ms.int32
    np.testing.assert_array_equal(places.asnumpy(), expected)
    np.testing.assert_array_equal(numbers.asnumpy(), np.take_along_axis(x, expected, -1))

"""Zero padding against NumPy, forward and backward."""

import mindspore as ms
import numpy as np
from mindspore import Tensor, ops

from acmix.ops.padding import zero_pad


def test_zero_padding_and_its_gradient(mode, rng):
    x = rng.normal(size=(2, 3, 4, 5)).astype(np.float32)
    cotangent = rng.normal(size=(2, 3, 7, 9)).astype(np.float32)

    def weighted(x):
        return ops.ReduceSum()(zero_pad(x, 1, 2, 3, 1) * Tensor(cotangent))

    expected = np.pad(x, ((0, 0), (0, 0), (1, 2), (3, 1)))
    np.testing.assert_array_equal(zero_pad(Tensor(x), 1, 2, 3, 1).asnumpy(), expected)
    gradient = ms.jit(ms.grad(weighted))(Tensor(x))
    np.testing.assert_allclose(gradient.asnumpy(), cotangent[:, :, 1:5, 3:8], rtol=1e-6)

"""What MindSpore's CPU operators compute: the truth that the software NPU's kernels meet."""

import mindspore as ms
import numpy as np
from mindspore import Tensor


def values(function, *arrays):
    """Return what a function of tensors returns, as arrays."""
    ms.set_context(mode=ms.PYNATIVE_MODE)
    return _arrays(function(*map(Tensor, arrays)))


def gradients(function, gradient, *arrays):
    """Return the gradients of all arrays, from the gradient of what a function of them returns."""
    ms.set_context(mode=ms.PYNATIVE_MODE)
    weights = Tensor(gradient)
    every = tuple(range(len(arrays)))
    found = ms.grad(lambda *x: (function(*x) * weights).sum(), every)(*map(Tensor, arrays))
    return _arrays(found if isinstance(found, tuple) else (found,))


def randn(*shape, seed=0):
    """Return normal numbers, float32."""
    return np.random.RandomState(seed).randn(*shape).astype(np.float32)


def close(found, wanted, bound=1e-5):
    """Check numbers against a bound relative to the largest one."""
    assert found.shape == wanted.shape
    np.testing.assert_allclose(found, wanted, rtol=0, atol=bound * max(1, np.abs(wanted).max()))


def _arrays(result):
    if isinstance(result, (tuple, list)):
        return [one.asnumpy() for one in result]
    return result.asnumpy()

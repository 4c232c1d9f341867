"""A program to rehearse: each named function of this file on the device, one graph for each.

Operators are those that the levels of Ascend treat differently.
"""

import sys

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

IMAGES = Tensor(np.ones((2, 4, 6, 6), np.float32))
VOLUMES = Tensor(np.ones((2, 4, 4, 6, 6), np.float32))
MATRIX = Tensor(np.ones((2, 8), np.float32))
TRUTH = Tensor(np.ones((2, 8), np.bool_))
PLACES = Tensor(np.zeros((2, 1), np.int32))


def im2col(x):
    return ops.Im2Col(ksizes=3, strides=1, dilations=1, pads=1)(IMAGES)


def adaptive_avg_pool3d(x):
    return ops.adaptive_avg_pool3d(VOLUMES, (2, 2, 2))


def argmax(x):
    return ops.Argmax(output_type=ms.int32)(x)


def lgamma(x):
    return ops.lgamma(x)


def logical_xor(x):
    return ops.logical_xor(TRUTH, TRUTH)


def flatten(x):
    return ops.Flatten()(IMAGES)


def reshape(x):
    return ops.reshape(x, (4, 4))


def expand_dims(x):
    return ops.expand_dims(x, 0)


def reduce_sum(x):
    return ops.ReduceSum()(x, 1)


def real_div(x):
    return ops.RealDiv()(x, x)


def muls(x):
    return x * 2.0


def matmul_ext(x):
    return ops.matmul(x, x.reshape(8, 2))


def sum_ext(x):
    return x.sum(1)


def remainder(x):
    return x % 2.0


def zeros_like(x):
    return ops.auto_generate.ZerosLikeExt()(x)


def topk_ext(x):
    return ops.auto_generate.TopkExt()(x, 3, -1, True, True)


def softmax(x):
    return ops.softmax(x)


def sliced(x):
    return ops.Slice()(x, (0, 0), (1, 4))


def gathered(x):
    return ops.gather_d(x, 1, PLACES)


def softmax_gradient(x):
    return ms.grad(softmax)(x)


def slice_gradient(x):
    return ms.grad(sliced)(x)


def gather_gradient(x):
    return ms.grad(gathered)(x)


class Calls(nn.Cell):
    """A function as a network; graphs hold no choice of it."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def construct(self, x):
        return self.function(x)


if __name__ == "__main__":
    ms.set_context(mode=ms.GRAPH_MODE)
    for name in sys.argv[1:]:
        try:
            Calls(globals()[name])(MATRIX)
        except RuntimeError:  # refused, which the recordings say
            print(name, "failed")

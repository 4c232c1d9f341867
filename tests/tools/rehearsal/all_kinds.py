"""A program to rehearse: an operator for every kind of kernel, and one that is refused."""

import sys

import mindspore as ms
import numpy as np
from mindspore import nn, ops


class AllKinds(nn.Cell):
    """A convolution, an activation, a view, MindSpore's own AICPU operator, one of the host."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 1, has_bias=False, weight_init="zeros")

    def construct(self, x):
        x = ops.relu(self.conv(x))
        return ops.median(ops.lgamma(x.reshape(2, -1)))[0]


class Refused(nn.Cell):
    """What neither Ascend nor the host has."""

    def construct(self, x):
        return ops.einsum("bchw,bdhw->bcd", x, x)


ms.set_context(mode=ms.GRAPH_MODE)
x = ms.Tensor(np.ones((2, 2, 3, 3)), ms.float32)
print("device", ms.get_context("device_target"), ms.get_context("jit_level"))
AllKinds()(x).asnumpy()
if "refused" in sys.argv:
    Refused()(x).asnumpy()

"""A program to rehearse: an operator for every kind of kernel, by the words given also one that is
refused (``refused``), one of the host (``host``), and all of it three times (``thrice``).
"""

import sys

import mindspore as ms
import numpy as np
from mindspore import nn, ops


class AllKinds(nn.Cell):
    """A convolution, an activation, a view, MindSpore's own AICPU operator, one of the host."""

    def __init__(self):
        super().__init__()
        self.host = "host" in sys.argv
        self.conv = nn.Conv2d(2, 4, 1, has_bias=False, weight_init="zeros")

    def construct(self, x):
        x = ops.relu(self.conv(x))
        x = ops.lgamma(x.reshape(2, -1))
        if self.host:
            x = ops.median(x)[0]
        return x


class Refused(nn.Cell):
    """What neither Ascend nor the host has."""

    def construct(self, x):
        return ops.einsum("bchw,bdhw->bcd", x, x)


ms.set_context(mode=ms.GRAPH_MODE)
x = ms.Tensor(np.ones((2, 2, 3, 3)), ms.float32)
print("device", ms.get_context("device_target"), ms.get_context("jit_level"))
network = AllKinds()
for _ in range(3 if "thrice" in sys.argv else 1):
    network(x).asnumpy()
if "refused" in sys.argv:
    Refused()(x).asnumpy()

"""The convolution of an enlarged map, computed from the small map, against its definition."""

import numpy as np
import oracles
import pytest
from against_oracle import assert_matches
from mindspore import Tensor, nn, ops

from acmix.ops.upsampled_conv import kernel_of_small, upsampled_conv


class Convolved(nn.Cell):
    def __init__(self, size, ratio, dilation):
        super().__init__()
        self.size, self.steps = size, (ratio, dilation)

    def construct(self, x, kernel):
        return upsampled_conv(x, kernel_of_small(kernel), *self.steps, *self.size)


@pytest.mark.parametrize(
    ("small", "size", "ratio", "kernel_size", "dilation"),
    [
        ((2, 3), (8, 12), 4, 3, 1),
        ((2, 3), (5, 7), 2, 3, 1),  # the reduction dropped a rest
        ((1, 1), (1, 2), 2, 3, 1),
        ((2, 2), (6, 6), 3, 5, 2),
        ((3, 2), (6, 4), 2, 1, 1),
    ],
)
def test_it_is_the_convolution_of_the_enlarged_map(
    small, size, ratio, kernel_size, dilation, mostly_pynative, rng
):
    def run(inputs, _):
        x, kernel = inputs
        for axis, length in enumerate(size, 1):
            x = oracles.interpolate(x, axis, (np.arange(length) + 0.5) / ratio - 0.5)
        y = oracles.conv2d(x.transpose(0, 3, 1, 2), kernel, dilation=dilation)
        return y.transpose(0, 2, 3, 1)

    inputs = [
        rng.standard_normal((2, *small, 3)),
        rng.standard_normal((4, 3, kernel_size, kernel_size)),
    ]
    assert_matches(Convolved(size, ratio, dilation), run, inputs, rng)


def test_half_precision_stays_half(rng):
    x = Tensor(rng.standard_normal((1, 2, 2, 3)).astype(np.float16))
    kernel = Tensor(rng.standard_normal((3, 3, 3, 4)).astype(np.float32))
    y = upsampled_conv(x, kernel, 2, 1, 4, 4)
    assert y.dtype == x.dtype
    assert y.shape == (1, 4, 4, 4)
    assert float(ops.abs(y).max()) > 0

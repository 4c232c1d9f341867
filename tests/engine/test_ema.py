"""The moving average against its closed form."""

import contextlib

import mindspore as ms
import numpy as np
import pytest
from mindspore import Parameter, Tensor, nn

from acmix.engine.ema import ExponentialMovingAverage
from acmix.utils.parameters import set_value


class Net(nn.Cell):
    def __init__(self):
        super().__init__()
        self.weight = Parameter(Tensor([2.0, -1.0], ms.float32))
        self.norm = nn.BatchNorm2d(1)
        self.counter = Parameter(Tensor([5], ms.int32), requires_grad=False)


@pytest.fixture
def network():
    return Net()


def test_average_of_constant_parameters_approaches_them_geometrically(mode, network):
    ema = ExponentialMovingAverage(network, decay=0.9)
    set_value(network.weight, [4.0, 1.0])
    for _ in range(7):
        ema.update()
    expected = np.array([4.0, 1.0]) - 2 * 0.9**7
    np.testing.assert_allclose(ema.averages[0].asnumpy(), expected, rtol=1e-5)


def test_average_of_changing_parameters_is_the_weighted_sum(mode, network):
    ema = ExponentialMovingAverage(network, decay=0.5)
    for value in (1.0, 3.0, 9.0):
        set_value(network.weight, [value, value])
        ema.update()
    expected = np.array([2.0, -1.0]) / 8 + 1 / 8 + 3 / 4 + 9 / 2
    np.testing.assert_allclose(ema.averages[0].asnumpy(), expected, rtol=1e-6)


def test_buffers_are_averaged_and_integers_copied(mode, network):
    ema = ExponentialMovingAverage(network, decay=0.75)
    set_value(network.norm.moving_mean, [8.0])
    set_value(network.counter, [9])
    ema.update()
    averages = {average.name.removeprefix("ema."): average.asnumpy() for average in ema.averages}
    assert averages["norm.moving_mean"] == 2.0
    assert averages["counter"] == 9


def test_applied_lends_the_averages_and_returns_the_weights_even_after_an_error(mode, network):
    ema = ExponentialMovingAverage(network, decay=0.5)
    set_value(network.weight, [0.1, 0.2])
    ema.update()
    average = ema.averages[0].asnumpy().copy()
    with contextlib.suppress(RuntimeError), ema.applied():
        np.testing.assert_array_equal(network.weight.asnumpy(), average)
        raise RuntimeError
    np.testing.assert_array_equal(network.weight.asnumpy(), np.float32([0.1, 0.2]))
    np.testing.assert_array_equal(ema.averages[0].asnumpy(), average)

"""The bias of rows and its gradient against NumPy."""

import mindspore as ms
import numpy as np
import pytest
from against_oracle import assert_matches
from mindspore import Parameter, Tensor, nn, ops

from acmix.layers.blocks import dense
from acmix.layers.row_bias import RowBias, row_bias
from acmix.utils.modes import built_for


class Biased(nn.Cell):
    def __init__(self, channels):
        super().__init__()
        self.bias = Parameter(Tensor(np.arange(channels, dtype=np.float32)), name="bias")
        self.add = row_bias()

    def construct(self, x):
        return self.add(x, self.bias)


@pytest.mark.parametrize("device", ["CPU", "Ascend"])
@pytest.mark.parametrize("shape", [(1, 5), (300, 7)])
def test_bias_and_gradients_equal_the_definition(shape, device, mode, rng):
    with built_for(device):
        net = Biased(shape[1])
    assert isinstance(net.add, RowBias if device == "CPU" else ops.BiasAdd)
    x = rng.standard_normal(shape)
    assert_matches(net, lambda inputs, p: inputs[0] + p["bias"], [x], rng)


def test_the_gradient_has_the_type_of_the_bias(mode, rng):
    """In mixed precision rows are float16, and the parameter, which is updated, is float32."""
    net = Biased(5)
    x = Tensor(rng.standard_normal((6, 5)).astype(np.float16))
    (gradient,) = ms.grad(net, None, net.trainable_params())(x)
    assert gradient.dtype == ms.float32
    np.testing.assert_array_equal(gradient.asnumpy(), 6)


@pytest.mark.parametrize("has_bias", [True, False])
def test_a_linear_layer_has_it(has_bias, mode, rng):
    net = dense(4, 3, has_bias)

    def linear(inputs, p):
        return inputs[0] @ p["weight"].T + (p["bias"] if has_bias else 0)

    assert_matches(net, linear, [rng.standard_normal((2, 5, 4))], rng)

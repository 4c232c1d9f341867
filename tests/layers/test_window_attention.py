"""Window attention against its definition: shifts, odd sizes, maps smaller than a window."""

import numpy as np
import oracles
import pytest
from against_oracle import assert_matches, randomise
from mindspore import Tensor

from acmix.errors import UserError
from acmix.layers.attention.window import WindowAttention

# (height, width, window, shift)
SHAPES = [(6, 6, 3, 0), (6, 9, 3, 1), (7, 5, 3, 1), (8, 11, 4, 2), (2, 3, 4, 2), (5, 4, 4, 2)]


def oracle(num_heads, window, shift, always=False):
    def run(inputs, parameters):
        height, width = inputs[0].shape[1:3]
        return oracles.window_attention(
            *inputs,
            parameters["relative_position_bias_table"],
            parameters["proj.weight"],
            parameters["proj.bias"],
            num_heads,
            window,
            shift if always or min(height, width) > window else 0,
        )

    return run


@pytest.mark.parametrize("shape", SHAPES)
def test_equals_the_definition(shape, mostly_pynative, rng):
    height, width, window, shift = shape
    net = WindowAttention(6, 2, window, shift)
    randomise(net, rng)
    inputs = [rng.standard_normal((2, height, width, 6)) for _ in range(3)]
    assert_matches(net, oracle(2, window, shift), inputs, rng)


@pytest.mark.parametrize("num_heads", [1, 3])
def test_heads_and_modes(num_heads, mode, rng):
    net = WindowAttention(6, num_heads, 3, 1)
    randomise(net, rng)
    inputs = [rng.standard_normal((1, 4, 5, 6)) for _ in range(3)]
    assert_matches(net, oracle(num_heads, 3, 1), inputs, rng)


def test_padding_has_no_influence(rng):
    """The pixels of whole windows do not notice a ragged border elsewhere."""
    net = WindowAttention(4, 2, 4)
    maps = [rng.standard_normal((1, 8, 8, 4)).astype(np.float32) for _ in range(3)]
    whole = net(*map(Tensor, maps)).asnumpy()
    cut = net(*(Tensor(np.ascontiguousarray(m[:, :7])) for m in maps)).asnumpy()
    np.testing.assert_allclose(whole[:, :4], cut[:, :4], atol=1e-6)


@pytest.mark.parametrize("size", [(4, 4), (3, 7)])
def test_maps_of_one_window_are_shifted_on_request(size, mostly_pynative, rng):
    """As Swin's code for dense tasks does."""
    net = WindowAttention(6, 2, 4, 2, shift_always=True)
    randomise(net, rng)
    inputs = [rng.standard_normal((1, *size, 6)) for _ in range(3)]
    assert_matches(net, oracle(2, 4, 2, always=True), inputs, rng)
    assert net.active_shift(*size) == 2


@pytest.mark.parametrize(
    ("arguments", "name"),
    [({"num_heads": 4}, "num_heads"), ({"num_heads": 2, "shift_size": 7}, "shift_size")],
)
def test_bad_arguments_are_named(arguments, name):
    with pytest.raises(UserError, match=name):
        WindowAttention(6, window_size=7, **arguments)

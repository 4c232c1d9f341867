"""Local attention against its definition, in both formulations, over odd shapes."""

import numpy as np
import oracles
import pytest
from against_oracle import assert_matches, randomise

from acmix.errors import UserError
from acmix.layers.attention.local import LocalAttention, _chunks
from acmix.utils.modes import built_for

# (height, width, kernel, stride, dilation): squares, rectangles, maps smaller than the reach.
SHAPES = [
    (6, 6, 3, 1, 1),
    (5, 9, 7, 1, 1),
    (7, 5, 3, 2, 1),
    (8, 6, 7, 2, 1),
    (9, 11, 3, 1, 2),
    (10, 7, 3, 2, 3),
    (2, 3, 7, 1, 1),
    (1, 4, 5, 1, 2),
]


def oracle(num_heads, kernel, stride, dilation):
    def run(inputs, parameters):
        weight, bias = parameters["position_weight"], parameters["position_bias"]
        return oracles.local_attention(*inputs, weight, bias, num_heads, kernel, stride, dilation)

    return run


def check(shape, impl, rng, num_heads=2, dim=6, gradients=True):
    height, width, kernel, stride, dilation = shape
    net = LocalAttention(dim, num_heads, kernel, stride, dilation, impl)
    randomise(net, rng)
    inputs = [rng.standard_normal((2, dim, height, width)) for _ in range(3)]
    run = oracle(num_heads, kernel, stride, dilation)
    assert_matches(net, run, inputs, rng, gradients=gradients)


@pytest.mark.parametrize("impl", ["halo", "whole"])
@pytest.mark.parametrize("shape", SHAPES)
def test_equals_the_definition(shape, impl, mostly_pynative, rng):
    check(shape, impl, rng)


@pytest.mark.parametrize("num_heads", [1, 3])
def test_heads_and_modes(num_heads, mode, rng):
    check((5, 6, 3, 2, 1), "halo", rng, num_heads)


def test_blocks_that_do_not_divide_the_map(rng):
    check((17, 13, 3, 1, 1), "halo", rng, num_heads=1, dim=2, gradients=False)


@pytest.mark.parametrize("impl", ["halo", "whole"])
def test_chunks_are_the_whole(impl, mode, rng):
    """As many as the cache asks for, if they are equal: 3 images of 2 heads make 1, 2, 3 or 6."""
    net = LocalAttention(6, 2, 3, 2, 1, impl)
    randomise(net, rng)
    net.cached_logits = 1
    inputs = [rng.standard_normal((3, 6, 5, 6)) for _ in range(3)]
    assert_matches(net, oracle(2, 3, 2, 1), inputs, rng, gradients=True)


@pytest.mark.parametrize(
    ("sequences", "cached", "chunks"),
    [(6, 10**9, 1), (6, 1, 6), (7, 1, 7), (17, 1, 1), (32, 1, 16)],
)
def test_number_of_chunks(sequences, cached, chunks):
    assert _chunks(sequences, cached, 5, 6, 3, 1, 1, 3, "halo") == chunks


@pytest.mark.parametrize("impl", ["halo", "whole"])
def test_equals_the_definition_as_it_is_built_for_ascend(impl, mode, rng):
    """One chunk, transposed and broadcast by the operators of that name."""
    with built_for("Ascend"):
        net = LocalAttention(6, 2, 3, 2, 1, impl)
    assert net.fast_broadcast
    assert net.cached_logits is None
    assert not LocalAttention(6, 2).fast_broadcast
    randomise(net, rng)
    inputs = [rng.standard_normal((3, 6, 5, 6)) for _ in range(3)]
    assert_matches(net, oracle(2, 3, 2, 1), inputs, rng, gradients=True)


def test_position_bias_cancels(rng):
    """p_i - p_j does not contain it: its true gradient is zero, and any value gives one output."""
    net = LocalAttention(4, 2, 3)
    inputs = [rng.standard_normal((1, 4, 5, 5)).astype(np.float32) for _ in range(3)]
    outputs = []
    from mindspore import Tensor

    for value in (0.0, 3.0):
        net.position_bias.set_data(Tensor(np.full(2, value, np.float32)))
        outputs.append(net(*map(Tensor, inputs)).asnumpy())
    np.testing.assert_allclose(outputs[0], outputs[1], atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"dim": 6, "num_heads": 4}, "num_heads"),
        ({"dim": 6, "num_heads": 2, "kernel_size": 4}, "kernel_size"),
        ({"dim": 6, "num_heads": 2, "stride": 0}, "stride"),
        ({"dim": 6, "num_heads": 2, "impl": "hallo"}, "Did you mean 'halo'"),
    ],
)
def test_bad_arguments_are_named(arguments, name):
    with pytest.raises(UserError, match=name):
        LocalAttention(**arguments)

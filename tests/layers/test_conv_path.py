"""The convolution path against its definition: every kernel variant in every formulation."""

import numpy as np
import oracles
import pytest
from against_oracle import assert_matches, randomise
from mindspore import Tensor

from acmix.errors import UserError
from acmix.layers.conv_path import ConvPath
from acmix.ops.block_conv import block_cost, block_count
from acmix.ops.shift import shift_kernels

# (height, width, kernel, stride, dilation)
SHAPES = [(5, 6, 3, 1, 1), (7, 5, 3, 2, 1), (6, 6, 5, 1, 1), (5, 4, 1, 2, 1), (9, 8, 3, 2, 2)]


def oracle(head_dim, stride, dilation):
    def run(inputs, parameters):
        return oracles.conv_path(
            *inputs,
            parameters["fc_weight"],
            parameters.get("fc_bias"),
            parameters["kernel"],
            head_dim,
            stride,
            dilation,
        )

    return run


def maps(rng, channels, height, width):
    return [rng.standard_normal((2, channels, height, width)) for _ in range(3)]


@pytest.mark.parametrize("impl", ["group", "block"])
@pytest.mark.parametrize("shape", SHAPES)
def test_learnable_kernels(shape, impl, mostly_pynative, rng):
    height, width, size, stride, dilation = shape
    net = ConvPath(6, 6, 12, size, stride, dilation, fc_bias=True, impl=impl)
    randomise(net, rng)
    assert_matches(net, oracle(6, stride, dilation), maps(rng, 12, height, width), rng)


@pytest.mark.parametrize("impl", ["group", "block"])
@pytest.mark.parametrize(("head_dim", "num_heads"), [(1, 4), (5, 1), (32, 2)])
def test_heads_and_modes(head_dim, num_heads, impl, mode, rng):
    channels = head_dim * num_heads
    net = ConvPath(head_dim, 3 * num_heads, channels, impl=impl)
    randomise(net, rng)
    assert_matches(net, oracle(head_dim, 1, 1), maps(rng, channels, 4, 5), rng)


@pytest.mark.parametrize("variant", ["shift", "fixed"])
@pytest.mark.parametrize("shape", SHAPES)
def test_shift_and_fixed_kernels_are_literal_shifts(shape, variant, mostly_pynative, rng):
    height, width, size, stride, dilation = shape
    net = ConvPath(4, 6, 8, size, stride, dilation, variant=variant, fc_bias=True)
    assert (net.kernel is None) == (variant == "shift")

    def run(inputs, parameters):
        weight, bias = parameters["fc_weight"], parameters["fc_bias"]
        return oracles.shift_and_sum(*inputs, weight, bias, 8, 4, stride, dilation)

    assert_matches(net, run, maps(rng, 8, height, width), rng)


def test_the_learnable_start_is_the_literal_shift(rng):
    net = ConvPath(4, 6, 8)
    expected = np.zeros((8, 9, 3, 3), np.float32)
    for m in range(9):
        expected[:, m, m // 3, m % 3] = 1
    np.testing.assert_array_equal(net.kernel.asnumpy(), expected)
    assert net.kernel.requires_grad


def test_random_start_is_not_one_hot():
    kernel = ConvPath(4, 6, 8, variant="random").kernel.asnumpy()
    assert len(np.unique(kernel)) > 100
    assert np.abs(kernel).max() < 0.2


@pytest.mark.parametrize("bias", [True, False])
def test_folding_into_the_projection_changes_nothing(bias, mostly_pynative, rng):
    net = ConvPath(4, 6, 8, fc_bias=bias)
    randomise(net, rng)
    x = rng.standard_normal((2, 5, 6, 7)).astype(np.float32)
    weight = rng.standard_normal((24, 5)).astype(np.float32)
    offset = rng.standard_normal(24).astype(np.float32) if bias else None

    def linear(matrix, constant):
        y = np.einsum("oc,bchw->bohw", matrix, x)
        return Tensor(y if constant is None else y + constant[:, None, None])

    q, k, v = (
        linear(weight[i : i + 8], None if offset is None else offset[i : i + 8]) for i in (0, 8, 16)
    )
    folded, constant = net.fold(Tensor(weight), None if offset is None else Tensor(offset))
    assert (constant is not None) == bias
    maps = linear(folded.asnumpy(), None if constant is None else constant.asnumpy())
    np.testing.assert_allclose(
        net.aggregate(maps).asnumpy(), net(q, k, v).asnumpy(), rtol=1e-4, atol=1e-4
    )


def test_shift_kernels_move_by_their_own_offset(rng):
    image = rng.standard_normal((1, 1, 5, 5))
    for m, kernel in enumerate(shift_kernels(3)):
        dy, dx = m // 3 - 1, m % 3 - 1
        moved = oracles.conv2d(image, kernel[None, None])[0, 0]
        inside = np.pad(image[0, 0], 1)[1 + dy : 6 + dy, 1 + dx : 6 + dx]
        np.testing.assert_array_equal(moved, inside)


@pytest.mark.parametrize(("groups", "outputs"), [(32, 3), (32, 24), (16, 4), (128, 4), (7, 2)])
def test_merged_groups_are_whole(groups, outputs):
    blocks = block_count(groups, 9, outputs)
    assert groups % blocks == 0
    assert 1 <= blocks <= 16


def test_a_block_is_added_where_it_saves_more_than_a_launch():
    assert block_count(16, 9, 4) == 1
    assert block_count(64, 9, 4) == 4
    assert block_count(128, 9, 16) == 16
    # 4 blocks of 64 x 144 numbers, and 6 launches with the split and the concatenation.
    assert block_cost(64, 9, 4) == 256 * (4 * 4 * 9 + 6 * 40)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kernel_size": 2}, "kernel_size must be an odd number"),
        ({"channels": 9}, "multiple of the head dimension 4, got 9"),
        ({"variant": "learnt"}, "Did you mean 'learnable'"),
        ({"impl": "groups"}, "Did you mean 'group'"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(UserError, match=message):
        ConvPath(**{"head_dim": 4, "num_features": 6, "channels": 8, **arguments})

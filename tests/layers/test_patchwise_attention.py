"""Patchwise attention against its definition: statistics of training and of evaluation."""

import numpy as np
import oracles
import pytest
from against_oracle import assert_matches, randomise
from mindspore import Tensor

from acmix import ACmix
from acmix.errors import UserError
from acmix.layers.attention.patchwise import PatchwiseAttention
from acmix.utils.modes import built_for
from acmix.utils.parameters import set_value


def oracle(kernel, share, training):
    def run(inputs, parameters):
        return oracles.patchwise_attention(*inputs, parameters, kernel, share, training)

    return run


def make(rng, training, **arguments):
    net = PatchwiseAttention(**arguments)
    randomise(net, rng)
    for name in ("bn1", "bn2"):
        variance = getattr(net, name).moving_variance
        set_value(variance, rng.uniform(0.5, 2, variance.shape))
    net.set_train(training)
    return net


def maps(rng, relation, channels, height, width):
    return [rng.standard_normal((2, c, height, width)) for c in (relation, relation, channels)]


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize(("height", "width", "kernel"), [(4, 5, 3), (2, 3, 5), (3, 1, 1)])
def test_equals_the_definition(height, width, kernel, training, mostly_pynative, rng):
    net = make(rng, training, dim=8, qk_channels=2, kernel_size=kernel, share_planes=4)
    assert_matches(net, oracle(kernel, 4, training), maps(rng, 2, 8, height, width), rng)


@pytest.mark.parametrize("share", [1, 6])
def test_shares_and_modes(share, mode, rng):
    net = make(rng, True, dim=6, qk_channels=3, kernel_size=3, share_planes=share)
    assert_matches(net, oracle(3, share, True), maps(rng, 3, 6, 3, 4), rng)


def test_equals_the_definition_as_it_is_built_for_ascend(mode, rng):
    """The weights of a group are broadcast there, and copied on CPU."""
    with built_for("Ascend"):
        net = make(rng, True, dim=8, qk_channels=2, kernel_size=3, share_planes=4)
    assert net.product.copies == 1
    assert PatchwiseAttention(8, share_planes=4).product.copies == 4
    assert_matches(net, oracle(3, 4, True), maps(rng, 2, 8, 3, 4), rng)


def test_acmix_with_fewer_channels_in_q_and_k_than_in_v(rng):
    """SAN-ACmix: v in 4 groups, so that the convolution path combines 6 pieces."""
    net = ACmix(5, 8, 4, qk_channels=2, attention="patchwise", kernel_size=3, share_planes=4)
    randomise(net, rng)
    net.set_train()
    assert net.conv_path.fc_weight.shape == (9, 6)

    def run(inputs, p):
        projected = np.einsum("oc,bchw->bohw", p["qkv.weight"], inputs[0])
        projected = projected + p["qkv.bias"][:, None, None]
        q, k, v = np.split(projected, (2, 4), 1)
        own = {name.removeprefix("attention."): value for name, value in p.items()}
        attended = oracles.patchwise_attention(q, k, v, own, 3, 4, training=True)
        convolved = oracles.conv_path(
            q, k, v, p["conv_path.fc_weight"], None, p["conv_path.kernel"], 2
        )
        return p["alpha"] * attended + p["beta"] * convolved

    assert_matches(net, run, [rng.standard_normal((2, 5, 4, 3))], rng)


def test_running_statistics_are_those_of_the_unfolded_maps(rng):
    """Near the border a pixel is in several neighbourhoods: each neighbour has its own mean."""
    net = PatchwiseAttention(8, qk_channels=1, kernel_size=3)
    net.set_train()
    _, k, _ = inputs = [m.astype(np.float32) for m in maps(rng, 1, 8, 3, 4)]
    net(*map(Tensor, inputs))
    padded = np.pad(k, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="reflect")
    means = [padded[:, 0, i : i + 3, j : j + 4].mean() for i in range(3) for j in range(3)]
    np.testing.assert_allclose(net.bn1.moving_mean.asnumpy()[1:], 0.1 * np.array(means), atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"kernel_size": 4}, "kernel_size must be an odd"),
        ({"share_planes": 3}, "share_planes must divide out_channels, got 3 and 8"),
    ],
)
def test_bad_arguments_are_named(arguments, name):
    with pytest.raises(UserError, match=name):
        PatchwiseAttention(8, **arguments)


def test_channels_of_q_and_k_must_be_whole_pieces():
    with pytest.raises(UserError, match=r"qk_channels must be a multiple .* = 2, got 3"):
        ACmix(8, 8, 4, qk_channels=3, attention="patchwise")
    with pytest.raises(UserError, match="'local' has no qk_channels: it must be 8, got 2"):
        ACmix(8, 8, 4, qk_channels=2, attention="local")

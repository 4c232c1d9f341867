"""Global attention against its definition: reduction, extra tokens, and the way of k and v."""

import numpy as np
import oracles
import pytest
from against_oracle import assert_matches, randomise
from mindspore import nn, ops

from acmix import ACmix
from acmix.errors import UserError
from acmix.layers.attention.global_ import GlobalAttention
from acmix.layers.class_token import TokenACmix, TokenAttention


def sequence(x):
    return x.reshape(x.shape[0], -1, x.shape[-1])


def to_maps(x):
    return x.transpose(0, 3, 1, 2)


def attend(q, k, v, p, num_heads, prefix="", extra=()):
    """Return the output on the map after that of the extra tokens, all in one sequence."""
    q, k, v = (
        np.concatenate([sequence(part) for part in parts], 1)
        for parts in zip(*((extra,) if extra else ()), (q, k, v), strict=True)
    )
    out = oracles.global_attention(q, k, v, num_heads)
    return out @ p[f"{prefix}proj.weight"].T + p[f"{prefix}proj.bias"]


class Joined(nn.Cell):
    """Puts the two outputs of a Cell with extra tokens into one sequence."""

    def __init__(self, cell):
        super().__init__(auto_prefix=False)
        self.cell = cell

    def construct(self, x, extra):
        out, extra_out = self.cell(x, extra)
        channels = out.shape[-1]
        return ops.cat((extra_out.reshape((2, -1, channels)), out.reshape((2, -1, channels))), 1)


@pytest.mark.parametrize("num_heads", [1, 3])
@pytest.mark.parametrize("keys", [(3, 4), (1, 2)])
def test_equals_the_definition(num_heads, keys, mostly_pynative, rng):
    net = GlobalAttention(6, num_heads)
    randomise(net, rng)
    inputs = [rng.standard_normal((2, *size, 6)) for size in ((3, 4), keys, keys)]

    def run(inputs, p):
        return attend(*inputs, p, num_heads).reshape(2, 3, 4, 6)

    assert_matches(net, run, inputs, rng)


def split(x, weight, bias):
    return np.split(x @ weight.T + bias, 3, -1)


def reading(net, ratio):
    """PVT-ACmix as the reading E has it: k and v are enlarged, then combined with q."""

    def run(inputs, p):
        x = inputs[0]
        _, height, width, _ = x.shape
        names = ("sr.weight", "sr.bias", "norm.gamma", "norm.beta")
        context = x
        if ratio > 1:
            context = oracles.reduce_map(x, *(p[f"attention.{name}"] for name in names), ratio)
        q = split(x, p["qkv.weight"], p["qkv.bias"])[0]
        _, k, v = split(context, p["qkv.weight"], p["qkv.bias"])
        out = p["alpha"] * attend(q, k, v, p, net.num_heads, "attention.").reshape(q.shape)
        large = []
        for small in (k, v):
            for axis, length in ((1, height), (2, width)):
                small = oracles.interpolate(small, axis, (np.arange(length) + 0.5) / ratio - 0.5)
            large.append(small)
        path = (p[f"conv_path.{name}"] for name in ("fc_weight", "fc_bias", "kernel"))
        head_dim = net.out_channels // net.num_heads
        convolved = oracles.conv_path(*map(to_maps, (q, *large)), *path, head_dim)
        return out + p["beta"] * convolved.transpose(0, 2, 3, 1)

    return run


@pytest.mark.parametrize(
    ("height", "width", "ratio"), [(4, 6, 2), (5, 7, 2), (2, 7, 3), (1, 1, 2), (3, 4, 1)]
)
def test_acmix_on_a_reduced_map(height, width, ratio, mostly_pynative, rng):
    """Whole patches, an incomplete rest, a map smaller than a patch, and no reduction."""
    net = ACmix(4, 6, 3, attention="global", sr_ratio=ratio, fc_bias=True)
    randomise(net, rng)
    x = rng.standard_normal((2, height, width, 4))
    assert_matches(net, reading(net, ratio), [x], rng)


def test_modes_and_a_projection_without_bias(mode, rng):
    net = ACmix(4, 4, 2, attention="global", sr_ratio=2, qkv_bias=False)
    randomise(net, rng)

    def run(inputs, p):
        zeros = {"qkv.bias": np.zeros(12), "conv_path.fc_bias": None}
        return reading(net, 2)(inputs, {**p, **zeros})

    assert_matches(net, run, [rng.standard_normal((1, 4, 5, 4))], rng)


def test_extra_tokens_attend_and_are_not_convolved(mode, rng):
    net = TokenACmix(4, 4, 2, attention=TokenAttention)
    randomise(net, rng)

    def run(inputs, p):
        x, extra = inputs
        parts = [split(part, p["qkv.weight"], p["qkv.bias"]) for part in (x, extra)]
        out = p["alpha"] * attend(*parts[0], p, 2, "attention.", extra=parts[1])
        convolved = oracles.conv_path(
            *map(to_maps, parts[0]), p["conv_path.fc_weight"], None, p["conv_path.kernel"], 2
        )
        out[:, extra.shape[2] :] += p["beta"] * sequence(convolved.transpose(0, 2, 3, 1))
        return out

    inputs = [rng.standard_normal((2, 3, 2, 4)), rng.standard_normal((2, 1, 2, 4))]
    assert_matches(Joined(net), run, inputs, rng)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [({"num_heads": 4}, "num_heads"), ({"num_heads": 2, "sr_ratio": 0}, "sr_ratio")],
)
def test_bad_arguments_are_named(arguments, name):
    with pytest.raises(UserError, match=name):
        GlobalAttention(6, **arguments)


def test_only_a_mode_that_rolls_can_be_asked_for_a_rolled_convolution():
    with pytest.raises(UserError, match="conv_rolled=True needs"):
        ACmix(4, 4, 2, attention="global", conv_rolled=True)

"""Global attention with relative positions against its definition, on its own and other sizes."""

import numpy as np
import oracles
import pytest
from against_oracle import assert_matches, randomise

from acmix.errors import UserError
from acmix.layers.attention.relative import RelativeAttention


def stretched(table, length):
    """The table as a curve over distance, read at the distances of a line of ``length`` pixels."""
    count = 2 * length - 1
    return oracles.interpolate(table, 0, (np.arange(count) + 0.5) * len(table) / count - 0.5)


def oracle(num_heads, stride=1):
    def run(inputs, p):
        height, width = inputs[0].shape[2:]
        tables = (
            stretched(p[name], length)
            for name, length in (("relative_height", height), ("relative_width", width))
        )
        out = oracles.relative_attention(*inputs, *tables, num_heads)
        pooled = np.zeros((*out.shape[:2], -(-height // stride), -(-width // stride)))
        for i in range(pooled.shape[2]):
            for j in range(pooled.shape[3]):
                rows = out[:, :, i * stride : (i + 1) * stride]
                pooled[:, :, i, j] = rows[..., j * stride : (j + 1) * stride].mean((2, 3))
        return pooled

    return run


@pytest.mark.parametrize(("height", "width"), [(3, 3), (2, 5), (1, 1)])
def test_equals_the_definition(height, width, mostly_pynative, rng):
    net = RelativeAttention(6, 2, map_size=3)
    randomise(net, rng)
    inputs = [rng.standard_normal((2, 6, height, width)) for _ in range(3)]
    assert_matches(net, oracle(2), inputs, rng)


def test_keys_may_have_other_channels_than_values(mode, rng):
    net = RelativeAttention(6, 2, map_size=(3, 4), qk_channels=10)
    randomise(net, rng)
    inputs = [rng.standard_normal((2, channels, 3, 4)) for channels in (10, 10, 6)]

    def run(inputs, p):
        q, k, v = inputs
        out = np.zeros(v.shape)
        heads = zip(*(np.split(x, 2, 1) for x in (q, k, v, out)), strict=True)
        for queries, keys, values, result in heads:
            for y, x in np.ndindex(3, 4):
                seen = keys + p["relative_height"][2 - y : 5 - y].T[None, :, :, None]
                seen = seen + p["relative_width"][3 - x : 7 - x].T[None, :, None, :]
                logits = np.einsum("bc,bcij->bij", queries[:, :, y, x], seen) * 5**-0.5
                weights = oracles.softmax(logits.reshape(2, -1)).reshape(2, 3, 4)
                result[:, :, y, x] = np.einsum("bij,bcij->bc", weights, values)
        return out

    assert_matches(net, run, inputs, rng)


def test_the_map_it_is_made_for_uses_the_vectors_unstretched():
    table = np.arange(5.0)
    np.testing.assert_array_equal(stretched(table, 3), table)


def test_a_stride_averages_and_keeps_incomplete_patches(mode, rng):
    net = RelativeAttention(4, 2, map_size=4, stride=2)
    randomise(net, rng)
    inputs = [rng.standard_normal((1, 4, 5, 4)) for _ in range(3)]
    assert_matches(net, oracle(2, stride=2), inputs, rng)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"num_heads": 4}, "num_heads"),
        ({"num_heads": 2, "map_size": 0}, "map_size"),
        ({"num_heads": 2, "stride": 0}, "stride"),
    ],
)
def test_bad_arguments_are_named(arguments, name):
    with pytest.raises(UserError, match=name):
        RelativeAttention(6, **arguments)

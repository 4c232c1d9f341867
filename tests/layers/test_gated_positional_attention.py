"""Gated positional attention against its definition, whose positions are a softmax of all pairs."""

import numpy as np
import pytest
from against_oracle import assert_matches, randomise
from convert.golden_models import load_golden
from mindspore import Tensor

from acmix import ACmix
from acmix.convert import load_torch_state, torch_state
from acmix.layers.attention.gated_positional import GatedPositionalAttention, local_start


def definition(q, k, v, p, num_heads):
    """A = (1 - s) softmax(q k / sqrt(d)) + s softmax(w r), then the projection, in NumPy."""
    batch, height, width, channels = q.shape
    y, x = np.divmod(np.arange(height * width), width)
    dx, dy = x[None] - x[:, None], y[None] - y[:, None]
    relations = np.stack([dx, dy, dx**2 + dy**2], -1)
    heads = [
        part.reshape(batch, -1, num_heads, channels // num_heads).transpose(0, 2, 1, 3)
        for part in (q, k, v)
    ]
    logits = heads[0] @ heads[1].swapaxes(-1, -2) / np.sqrt(channels // num_heads)
    position = relations @ p["position_weight"].T + p["position_bias"]
    gate = 1 / (1 + np.exp(-p["gating"]))[:, None, None]
    weights = (1 - gate) * softmax(logits) + gate * softmax(position.transpose(2, 0, 1))
    out = (weights @ heads[2]).transpose(0, 2, 1, 3).reshape(q.shape)
    return out @ p["proj.weight"].T + p["proj.bias"]


def softmax(x):
    exponent = np.exp(x - x.max(-1, keepdims=True))
    return exponent / exponent.sum(-1, keepdims=True)


@pytest.mark.parametrize(("num_heads", "size"), [(4, (3, 5)), (3, (4, 2))])
def test_equals_the_definition(num_heads, size, mode, rng):
    net = GatedPositionalAttention(12, num_heads)
    randomise(net, rng)
    inputs = [rng.standard_normal((2, *size, 12)) for _ in range(3)]
    assert_matches(net, lambda i, p: definition(*i, p, num_heads), inputs, rng)


def test_the_start_is_a_convolution(rng):
    """Of K^2 heads each sees one offset most; with all gates open they are a K x K box."""
    centres = {(x / 2, y / 2) for x, y, square in local_start(9) if square == -1}
    assert centres == {(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1)}
    np.testing.assert_array_equal(local_start(5)[4], 0)
    net = GatedPositionalAttention(9, 9)
    net.gating.set_data(Tensor(np.full(9, 40, np.float32)))
    net.position_weight.set_data(Tensor(20 * local_start(9)))
    net.proj.weight.set_data(Tensor(np.eye(9, dtype=np.float32)))
    x = rng.standard_normal((1, 5, 6, 9)).astype(np.float32)
    out = net(*[Tensor(x)] * 3).asnumpy()
    for head, (dx, dy, _) in enumerate(local_start(9)):
        moved = np.roll(x[0, :, :, head], (-int(dy / 2), -int(dx / 2)), (0, 1))
        np.testing.assert_allclose(out[0, 1:-1, 1:-1, head], moved[1:-1, 1:-1], atol=1e-5)


def test_is_the_official_layer():
    golden = load_golden("convit_gpsa")
    dim, heads = golden.meta["dim"], golden.meta["num_heads"]
    net = ACmix(
        dim, num_heads=heads, attention="gated_positional", combine="attention", qkv_bias=False
    )
    load_torch_state(net, golden.state)
    side = int(golden.input.shape[1] ** 0.5)
    out = net(Tensor(golden.input.reshape(-1, side, side, dim))).asnumpy()
    np.testing.assert_allclose(out.reshape(golden.output.shape), golden.output, atol=2e-5)
    back = torch_state(net)
    assert sorted(back) == sorted(golden.state)
    for name, value in golden.state.items():
        np.testing.assert_array_equal(back[name], value)

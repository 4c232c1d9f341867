"""Shares of attention against the NumPy oracles, whose answer to a one-hot v is the attention."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import oracles
import pytest
from mindspore import Tensor, nn

from acmix import ACmix, create_model
from acmix.errors import UserError
from acmix.layers.attention import AttentionMode
from acmix.tools.analysis.attention import attention_layers, attention_shares
from acmix.utils.parameters import get_value, set_value

DIM, HEADS, HEIGHT, WIDTH = 4, 2, 5, 6


class OneOperator(nn.Cell):
    """A network whose images are the map that its operator sees."""

    def __init__(self, **arguments):
        super().__init__()
        self.mixer = ACmix(DIM, num_heads=HEADS, **arguments)
        for parameter in self.mixer.get_parameters():
            value = get_value(parameter)
            set_value(parameter, np.random.normal(0, 1, value.shape))

    def construct(self, x):
        if self.mixer.data_format == "NHWC":
            return self.mixer(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        return self.mixer(x)


def projected(mixer, image):
    """Stage I in NumPy: q, k, v, each (1, C, H, W)."""
    weight, bias = get_value(mixer.qkv.weight), get_value(mixer.qkv.bias)
    maps = np.tensordot(weight, image, 1) + bias[:, None, None]
    return [part[None] for part in np.split(maps, 3)]


def one_hot_answers(attend):
    """Attention (H, W; N, H, W) of all queries, from what each one-hot v is answered with."""
    weights = np.zeros((HEIGHT, WIDTH, HEADS, HEIGHT, WIDTH))
    for row, column in np.ndindex(HEIGHT, WIDTH):
        v = np.zeros((1, DIM, HEIGHT, WIDTH))
        v[:, :, row, column] = 1
        out = attend(v)[0].reshape(HEADS, DIM // HEADS, HEIGHT, WIDTH)[:, 0]
        weights[:, :, :, row, column] = out.transpose(1, 2, 0)
    return weights


def local(mixer, q, k):
    mode = mixer.attention
    weight, bias = get_value(mode.position_weight), get_value(mode.position_bias)
    return lambda v: oracles.local_attention(q, k, v, weight, bias, HEADS, 3)


def window(mixer, q, k):
    table = get_value(mixer.attention.relative_position_bias_table)
    tokens = [x.transpose(0, 2, 3, 1) for x in (q, k)]

    def attend(v):
        out = oracles.window_attention(
            *tokens, v.transpose(0, 2, 3, 1), table, np.eye(DIM), np.zeros(DIM), HEADS, 4, 2
        )
        return out.transpose(0, 3, 1, 2)

    return attend


@pytest.mark.parametrize(
    ("arguments", "oracle"),
    [
        ({"attention": "local", "kernel_size": 3}, local),
        ({"attention": "window", "window_size": 4, "shift_size": 2}, window),
    ],
    ids=["local", "window"],
)
def test_shares_are_the_attention_of_each_head(arguments, oracle, rng):
    network = OneOperator(**arguments)
    image = rng.normal(size=(DIM, HEIGHT, WIDTH)).astype(np.float32)
    q, k, _ = projected(network.mixer, image)
    expected = one_hot_answers(oracle(network.mixer, q, k))
    for query in ((0, 0), (2, 5), (4, 3)):
        found = attention_shares(network, image, query)
        np.testing.assert_allclose(found, expected[query], atol=2e-5)
        assert not np.allclose(expected[query][0], expected[query][1], atol=1e-3)


def test_query_is_a_pixel_of_the_image_whatever_the_size_of_the_map(rng):
    model = create_model("acmix_resnet26", width=8, depths=(1, 1), num_classes=2)
    image = rng.normal(size=(3, 32, 48)).astype(np.float32)
    shares = attention_shares(model, image, (17, 40))  # the queries of stage 2 are 8 pixels apart
    assert shares.shape == (4, 8, 12)  # its keys 4
    np.testing.assert_allclose(shares.sum((1, 2)), 1, atol=1e-5)
    rows, columns = np.nonzero(shares[0] > 1e-6)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (1, 7, 7, 11)
    np.testing.assert_array_equal(shares, attention_shares(model, image, (23, 47)))


def test_layer_is_chosen_by_name(rng):
    small = {"embed_dim": 8, "depths": (2, 1), "num_heads": (1, 2), "window_size": 4}
    model = create_model("acmix_swin_tiny", **small, num_classes=2)
    image = rng.normal(size=(3, 32, 32)).astype(np.float32)
    names = ["stages.0.blocks.0.attn", "stages.0.blocks.1.attn", "stages.1.blocks.0.attn"]
    assert list(attention_layers(model)) == names
    for name, heads, side in zip(names, (1, 1, 2), (8, 8, 4), strict=True):
        assert attention_shares(model, image, (3, 3), name).shape == (heads, side, side)


def test_the_network_is_left_as_it_was(rng):
    """A hook that stayed would break the compilation."""
    ms.set_context(mode=ms.GRAPH_MODE)
    network = OneOperator(kernel_size=3).set_train()
    image = rng.normal(size=(DIM, HEIGHT, WIDTH)).astype(np.float32)
    attention_shares(network, image, (0, 0))
    assert network.training
    assert ms.get_context("mode") == ms.GRAPH_MODE
    assert network(Tensor(image[None])).shape == (1, DIM, HEIGHT, WIDTH)


class Squared(AttentionMode):
    """Not linear in v."""

    def construct(self, q, k, v):
        return q + v * v


def test_a_mode_that_is_not_linear_in_v_is_refused(rng):
    network = OneOperator(kernel_size=3)
    network.mixer.attention = Squared()
    with pytest.raises(UserError, match="not linear in v"):
        attention_shares(network, rng.normal(size=(DIM, 5, 6)).astype(np.float32), (0, 0))


@pytest.mark.parametrize(
    ("arguments", "query", "layer", "message"),
    [
        ({}, (5, 0), None, r"query=5,0 is outside .* 5 x 6 pixels"),
        ({}, (0, -1), None, "outside"),
        ({}, (0, 0), "mixr", "layer='mixr' has no attention. Did you mean 'mixer'"),
        ({"combine": "conv"}, (0, 0), None, "only convolve"),
    ],
)
def test_what_cannot_be_asked_is_told(arguments, query, layer, message):
    network = OneOperator(kernel_size=3, **arguments) if not arguments else OneOperator(**arguments)
    with pytest.raises(UserError, match=message):
        attention_shares(network, np.zeros((DIM, 5, 6), np.float32), query, layer)

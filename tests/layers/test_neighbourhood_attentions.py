"""SASA's attention and LR-Net's relation against their definitions, over odd shapes."""

import numpy as np
import oracles
import pytest
from against_oracle import assert_matches, randomise
from mindspore import Tensor

from acmix.errors import UserError
from acmix.layers.attention.relation import LocalRelation
from acmix.layers.attention.standalone import StandaloneAttention
from acmix.layers.inference import inference_form
from acmix.layers.local_relation import LocalRelationConv

# (height, width, kernel): blocks that do and do not divide the map, maps smaller than the reach.
SHAPES = [(5, 9, 3), (6, 4, 7), (2, 3, 5), (1, 1, 3), (17, 5, 3)]


def standalone(num_heads, kernel):
    def run(inputs, p):
        vectors = p["relative_rows"], p["relative_columns"]
        return oracles.standalone_attention(*inputs, *vectors, num_heads, kernel)

    return run


@pytest.mark.parametrize(("height", "width", "kernel"), SHAPES)
def test_standalone_attention_equals_the_definition(height, width, kernel, mostly_pynative, rng):
    net = StandaloneAttention(8, 2, kernel)
    randomise(net, rng)
    inputs = [rng.standard_normal((2, 8, height, width)) for _ in range(3)]
    assert_matches(net, standalone(2, kernel), inputs, rng, gradients=height < 17)


def test_standalone_attention_in_both_modes(mode, rng):
    net = StandaloneAttention(4, 1, 3)
    randomise(net, rng)
    inputs = [rng.standard_normal((1, 4, 4, 5)) for _ in range(3)]
    assert_matches(net, standalone(1, 3), inputs, rng)


def test_a_stride_averages_the_output_of_standalone_attention(rng):
    whole, net = StandaloneAttention(4, 1, 3), StandaloneAttention(4, 1, 3, stride=2)
    for name in ("relative_rows", "relative_columns"):
        getattr(net, name).set_data(getattr(whole, name))
    inputs = [Tensor(rng.standard_normal((1, 4, 4, 6)).astype(np.float32)) for _ in range(3)]
    expected = whole(*inputs).asnumpy().reshape(1, 4, 2, 2, 3, 2).mean((3, 5))
    np.testing.assert_allclose(net(*inputs).asnumpy(), expected, atol=1e-5)


def relation(kernel, stride):
    def run(inputs, p):
        reach = np.arange(kernel) - kernel // 2
        dx, dy = np.meshgrid(reach, reach)
        first, second = p["geometry.0.weight"], p["geometry.2.weight"]
        hidden = first[:, 0, 0, 0, None, None] * dx + first[:, 1, 0, 0, None, None] * dy
        hidden = np.maximum(hidden + p["geometry.0.bias"][:, None, None], 0)
        prior = np.einsum("gh,hij->gij", second[:, :, 0, 0], hidden)
        prior = prior + p["geometry.2.bias"][:, None, None]
        return oracles.local_relation(*inputs, prior, kernel, stride)

    return run


def relation_inputs(rng, height, width, stride, groups=2, share=3):
    queries = -(-height // stride), -(-width // stride)
    return [
        rng.standard_normal((2, groups, *queries)),
        rng.standard_normal((2, groups, height, width)),
        rng.standard_normal((2, groups * share, height, width)),
    ]


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("height", "width", "kernel"), SHAPES)
def test_local_relation_equals_the_definition(height, width, kernel, stride, mostly_pynative, rng):
    net = LocalRelation(6, 2, kernel, stride)
    randomise(net, rng)
    inputs = relation_inputs(rng, height, width, stride)
    assert_matches(net, relation(kernel, stride), inputs, rng, gradients=height < 17)


def test_local_relation_in_both_modes(mode, rng):
    net = LocalRelation(6, 2, 3, 2)
    randomise(net, rng)
    assert_matches(net, relation(3, 2), relation_inputs(rng, 5, 4, 2), rng)


def test_the_prior_is_computed_once_for_inference(rng):
    net = LocalRelation(6, 2, 3)
    randomise(net, rng)
    inputs = [Tensor(x.astype(np.float32)) for x in relation_inputs(rng, 5, 4, 1)]
    expected = net(*inputs).asnumpy()
    form = inference_form(net)
    assert [p.name for p in form.get_parameters()] == ["fixed_prior"]
    np.testing.assert_allclose(form(*inputs).asnumpy(), expected, atol=1e-5)


@pytest.mark.parametrize("share", [1, 8, 64])
def test_the_first_logits_do_not_grow_with_the_channels_that_share_them(share, rng):
    net = LocalRelationConv(64, 3, share)
    x = Tensor(rng.standard_normal((1, 64, 20, 20)).astype(np.float32))
    logits = (net.query(x) - net.key(x)).asnumpy() ** 2
    assert 0.2 < logits.mean() < 2


@pytest.mark.parametrize(
    ("cls", "arguments", "name"),
    [
        (StandaloneAttention, {"dim": 6, "num_heads": 2}, "out_channels"),
        (StandaloneAttention, {"dim": 8, "num_heads": 2, "kernel_size": 4}, "kernel_size"),
        (StandaloneAttention, {"dim": 8, "num_heads": 2, "stride": 0}, "stride"),
        (LocalRelation, {"dim": 8, "num_heads": 3}, "num_heads"),
        (LocalRelation, {"dim": 8, "num_heads": 2, "kernel_size": 2}, "kernel_size"),
        (LocalRelation, {"dim": 8, "num_heads": 2, "similarity": "squard"}, "'squared'"),
    ],
)
def test_bad_arguments_are_named(cls, arguments, name):
    with pytest.raises(UserError, match=name):
        cls(**arguments)

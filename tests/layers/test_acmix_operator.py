"""The operator as a whole against its definition: modes, combinations, variants, formulations."""

import mindspore as ms
import numpy as np
import oracles
import pytest
from against_oracle import assert_matches, randomise
from mindspore import Tensor, ops

import acmix
from acmix.errors import UserError
from acmix.layers.acmix import COMBINATIONS, ACmix
from acmix.layers.attention import ATTENTION, AttentionMode, register_attention
from acmix.utils.modes import built_for


def project(x, parameters):
    """Stage I by its definition: three slices of one linear map, x being (B, H, W, C_in)."""
    y = x @ parameters["qkv.weight"].T + parameters["qkv.bias"]
    return np.split(y, 3, -1)


def to_maps(x):
    return x.transpose(0, 3, 1, 2)


def to_tokens(x):
    return x.transpose(0, 2, 3, 1)


def oracle(net, stride=1, dilation=1, kernel=3, window=None, shift=0, rolled=False):
    """Eq. 13 from the oracles of both paths."""
    combination = COMBINATIONS[net.combine]
    d = net.out_channels // net.num_heads

    def run(inputs, p):
        tokens = window is not None
        x = inputs[0] if tokens else to_tokens(inputs[0])
        q, k, v = project(x, p)
        total = 0
        if combination.attention:
            if tokens:
                out = oracles.window_attention(
                    q,
                    k,
                    v,
                    p["attention.relative_position_bias_table"],
                    p["attention.proj.weight"],
                    p["attention.proj.bias"],
                    net.num_heads,
                    window,
                    shift,
                )
            else:
                out = to_tokens(
                    oracles.local_attention(
                        *map(to_maps, (q, k, v)),
                        p["attention.position_weight"],
                        p["attention.position_bias"],
                        net.num_heads,
                        kernel,
                        stride,
                        dilation,
                    )
                )
            total = out * (p["alpha"] if combination.attention == "learned" else 1)
        if combination.conv:
            weight = {"one": 1, "learned": p.get("beta")}.get(combination.conv)
            if combination.conv == "rest":
                weight = 1 - p["alpha"]
            roll = shift if rolled else 0
            maps = [to_maps(np.roll(m, (-roll, -roll), (1, 2))) for m in (q, k, v)]
            common = p["conv_path.fc_weight"], p.get("conv_path.fc_bias")
            if "conv_path.kernel" in p:
                out = oracles.conv_path(*maps, *common, p["conv_path.kernel"], d, stride, dilation)
            else:
                out = oracles.shift_and_sum(*maps, *common, net.out_channels, d, stride, dilation)
            total = total + weight * np.roll(to_tokens(out), (roll, roll), (1, 2))
        return total if tokens else to_maps(total)

    return run


@pytest.mark.parametrize("combine", COMBINATIONS)
def test_every_combination_of_paths(combine, mostly_pynative, rng):
    net = ACmix(5, 8, 2, combine=combine, kernel_size=3)
    randomise(net, rng)
    assert_matches(net, oracle(net), [rng.standard_normal((2, 5, 6, 5))], rng)


@pytest.mark.parametrize("conv_impl", ["group", "block"])
@pytest.mark.parametrize(("stride", "dilation"), [(1, 1), (2, 1), (1, 2)])
def test_local_mode(stride, dilation, conv_impl, mostly_pynative, rng):
    net = ACmix(5, 8, 2, stride=stride, dilation=dilation, conv_impl=conv_impl, kernel_size=3)
    randomise(net, rng)
    x = rng.standard_normal((2, 5, 7, 6))
    assert_matches(net, oracle(net, stride, dilation), [x], rng)


@pytest.mark.parametrize("rolled", [True, False])
@pytest.mark.parametrize(("height", "shift"), [(6, 0), (6, 1), (7, 1)])
def test_window_mode(height, shift, rolled, mostly_pynative, rng):
    net = ACmix(
        6, 6, 2, attention="window", window_size=3, shift_size=shift, fc_bias=True,
        conv_rolled=rolled,
    )  # fmt: skip
    randomise(net, rng)
    run = oracle(net, window=3, shift=shift, rolled=rolled)
    assert_matches(net, run, [rng.standard_normal((2, height, 6, 6))], rng)


@pytest.mark.parametrize("conv_variant", ["shift", "fixed", "random", "learnable"])
def test_kernel_variants_in_both_modes(conv_variant, mode, rng):
    net = ACmix(4, 4, 2, conv_variant=conv_variant, kernel_size=3)
    assert_matches(net, oracle(net), [rng.standard_normal((1, 4, 5, 6))], rng)


def test_a_checkpoint_moves_between_formulations(rng):
    nets = [ACmix(4, 8, 2, conv_impl=impl) for impl in ("group", "block")]
    randomise(nets[0], rng)
    state = {p.name: p for p in nets[0].get_parameters()}
    missing, unexpected = ms.load_param_into_net(nets[1], state, strict_load=True)
    assert not missing
    assert not unexpected
    x = Tensor(rng.standard_normal((1, 4, 8, 8)).astype(np.float32))
    np.testing.assert_allclose(nets[0](x).asnumpy(), nets[1](x).asnumpy(), rtol=1e-4, atol=1e-4)


def test_the_ascend_formulation_is_chosen_by_the_device_target():
    assert ACmix(4, 8, 2).conv_path.impl == "group"
    with built_for("Ascend"):
        assert ACmix(4, 8, 2).conv_path.impl == "block"


@pytest.mark.parametrize(
    ("channels", "heads", "group", "ascend"),
    [(64, 4, True, True), (256, 4, False, True), (384, 12, False, False)],
)
def test_one_convolution_is_chosen_by_what_else_would_be_launched(channels, heads, group, ascend):
    assert ACmix(channels, channels, heads).conv_path.dense == group
    with built_for("Ascend"):
        assert ACmix(channels, channels, heads).conv_path.dense == ascend


def test_half_precision_stays_finite(rng):
    """Masks survive float16, and the softmax is taken in float32."""
    for net, shape in (
        (ACmix(8, 8, 2), (1, 8, 16, 16)),
        (ACmix(8, 8, 2, attention="window", window_size=4, shift_size=2), (1, 9, 10, 8)),
    ):
        x = rng.standard_normal(shape).astype(np.float32)
        exact = net(Tensor(x)).asnumpy()
        half = net.to_float(ms.float16)(Tensor(x)).asnumpy().astype(np.float32)
        assert np.isfinite(half).all()
        assert np.abs(half - exact).max() < 0.02 * np.abs(exact).max()


def test_a_new_attention_mode_is_one_class(rng):
    """What the README promises: register a Cell and name it."""

    @register_attention("mean")
    class Mean(AttentionMode):
        def __init__(self, dim, num_heads):
            super().__init__()
            self.mean = ops.ReduceMean(keep_dims=True)

        def construct(self, q, k, v):
            return v + self.mean(q * k, (2, 3))

    try:
        net = acmix.ACmix(4, 4, 2, attention="mean")
        assert net(Tensor(rng.standard_normal((2, 4, 5, 5)).astype(np.float32))).shape == (
            2, 4, 5, 5,
        )  # fmt: skip
        with pytest.raises(UserError, match="'mean' has no stride"):
            ACmix(4, 4, 2, attention="mean", stride=2)
        with pytest.raises(UserError, match="already registered"):
            register_attention("mean")(Mean)
    finally:
        ATTENTION.remove("mean")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"attention": "windows"}, "Did you mean 'window'"),
        ({"combine": "boath"}, "Did you mean 'both'"),
        ({"num_heads": 3}, "multiple of num_heads, got 8 and 3"),
        ({"kernel_sice": 3}, "Did you mean 'kernel_size'"),
        ({"attention": "window", "stride": 2}, "'window' has no stride"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(UserError, match=message):
        ACmix(8, 8, **arguments)

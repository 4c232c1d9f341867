"""Tab. 1 and Tab. 8: theory against practice, and ResNet 50 against independent counts."""

from __future__ import annotations

import pytest
from mindspore import nn

from acmix import ACmix, create_model
from acmix.tools.analysis.complexity import (
    THEORY,
    Cost,
    convolution_costs,
    operator_costs,
    paper_complexity,
    render_complexity,
    render_theory,
    stage_one_share,
)
from acmix.tools.analysis.macs import trace

SIDE = 6


@pytest.mark.parametrize(("c", "ka", "kc", "n"), [(8, 3, 3, 2), (12, 5, 5, 4), (6, 7, 1, 1)])
def test_an_operator_costs_what_the_theory_says(c, ka, kc, n):
    mixer = ACmix(c, num_heads=n, kernel_size=ka, conv_kernel_size=kc, qkv_bias=False)
    network = nn.SequentialCell(mixer)
    found = operator_costs(network, trace(network, (1, c, SIDE, SIDE)))
    position = mixer.attention.position_weight.size + mixer.attention.position_bias.size
    besides = {("self-attention", "II"): position, ("ACmix", "II"): position + 2}
    for key, cost in found.items():
        macs, params = THEORY[key].cost(c, ka, kc, n)
        assert cost == Cost(macs * SIDE**2, params + besides.get(key, 0)), key
    assert {key for key in THEORY if key[0] != "convolution"} == found.keys()


def test_a_convolution_costs_what_the_theory_says():
    network = nn.SequentialCell(nn.Conv2d(8, 8, 3), nn.Conv2d(8, 4, 1))
    found = convolution_costs(network, trace(network, (1, 8, SIDE, SIDE)), ["0"])
    for key, cost in found.items():
        macs, params = THEORY[key].cost(8, 7, 3, 4)
        assert cost == Cost(macs * SIDE**2, params)


def test_the_projection_behind_window_attention_is_of_neither_stage():
    mixer = ACmix(8, num_heads=2, attention="window", window_size=3, fc_bias=True)
    network = nn.SequentialCell(mixer)
    found = operator_costs(network, trace(network, (1, SIDE, SIDE, 8)))
    assert found["ACmix", "output projection"] == Cost(64 * SIDE**2, 64 + 8)
    assert found["self-attention", "II"] == Cost(2 * 9 * 8 * SIDE**2, 25 * 2)
    assert found["ACmix", "I"] == Cost(3 * 64 * SIDE**2, 3 * 64 + 3 * 8)
    assert found["ACmix", "II"].params == 25 * 2 + (27 * 2 + 9) + 81 * 8 + 2


def test_resnet_50_has_the_costs_counted_independently():
    """Against the derivation beside Tab. 1 in the project's reference facts."""
    costs = paper_complexity(create=_only_resnet)["ResNet 50"]
    giga = {key: round(cost.macs / 1e9, 3) for key, cost in costs.items()}
    assert giga == {
        ("convolution", "I"): 1.850,
        ("convolution", "II"): 0.012,
        ("self-attention", "I"): 0.963,
        ("self-attention", "II"): 0.135,
        ("ACmix", "I"): 0.963,
        ("ACmix", "II"): 0.298,
    }
    assert costs["convolution", "I"].params == 11_317_248
    assert costs["ACmix", "II"].params - costs["self-attention", "II"].params == 307_616
    assert stage_one_share(costs, "convolution") == pytest.approx(99.3, abs=0.05)
    assert stage_one_share(costs, "self-attention") == pytest.approx(87.7, abs=0.05)

    text = render_complexity({"ResNet 50": costs})
    assert "99.3 % of convolution (paper: 99 %), 87.7 % of self-attention (paper: 83 %)" in text
    rows = {tuple(line.split()[:2]): line.split()[2:] for line in text.splitlines()}
    assert rows["ACmix", "II"] == ["0.298", "0.31"]


def test_a_model_without_a_module_has_dashes():
    costs = {("ACmix", stage): Cost(10**9, 10**6) for stage in ("I", "II")}
    costs |= {("self-attention", stage): Cost(10**9, 10**6) for stage in ("I", "II")}
    conv = {("convolution", stage): Cost(10**9, 10**6) for stage in ("I", "II")}
    text = render_complexity({"A": costs, "B": {**costs, **conv}}, "markdown")
    assert "| convolution | I | - | - | 1.000 | 1.00 |" in text
    assert "| ACmix | II | 1.000 | 1.00 | 1.000 | 1.00 |" in text


def test_theory_is_printed_with_all_its_rows():
    text = render_theory("markdown")
    assert "| ACmix | II | (2 k_a² + 3 k_c² + k_c⁴) C | 3 N k_c² + k_c⁴ C |" in text
    assert len(text.splitlines()) == 2 + len(THEORY)


def _only_resnet(name):
    """The real ResNets; small stand-ins for the families that this test does not look at."""
    if "resnet" in name:
        return create_model(name)
    return nn.SequentialCell(nn.Conv2d(3, 4, 8, 8), ACmix(4, num_heads=2, kernel_size=3))

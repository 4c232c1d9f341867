"""Optimizers against NumPy versions of the papers' algorithms; who is decayed."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Parameter, Tensor, nn, ops

from acmix.config import OptimConfig
from acmix.engine.optim import AdamW, create_optimizer, parameter_groups
from acmix.errors import UserError
from acmix.layers.norm import LayerNorm
from acmix.models import create_model
from acmix.utils.parameters import set_value


class Net(nn.Cell):
    """Has one parameter of every kind that matters for weight decay."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, has_bias=True, pad_mode="pad", padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.layer_norm = LayerNorm(4)
        self.table = Parameter(Tensor(np.ones((3, 2)), ms.float32))
        self.frozen = Parameter(Tensor(np.ones((2, 2)), ms.float32), requires_grad=False)
        self.alpha = Parameter(Tensor(np.ones(1), ms.float32))

    def no_weight_decay(self):
        return {"table"}

    def construct(self, x):
        x = self.layer_norm(self.norm(self.conv(x)))
        return self.alpha * x + ops.ReduceSum()(self.table)


def run(mode, optimizer, gradients):
    def step(*gradients):
        return optimizer(gradients)

    step = ms.jit(step) if mode == "graph" else step
    step(*[Tensor(gradient, ms.float32) for gradient in gradients])


def adamw(weight, gradients, rates, beta1, beta2, eps, decay):
    """Algorithm 2 of arXiv:1711.05101 in float64."""
    m = v = np.zeros_like(weight)
    for t, (gradient, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        m = beta1 * m + (1 - beta1) * gradient
        v = beta2 * v + (1 - beta2) * gradient**2
        m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
        weight = weight - rate * (m_hat / (np.sqrt(v_hat) + eps) + decay * weight)
    return weight


@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.0, 0.95)])
def test_adamw_follows_the_papers_algorithm(mode, rng, betas):
    # Gradients around eps, so that a wrong place of eps shows.
    weight, gradients = rng.normal(size=(3, 2)), rng.normal(size=(6, 3, 2)) * 1e-3
    rates = np.linspace(0.1, 0.02, 6)
    parameter = Parameter(Tensor(weight, ms.float32), name="w")
    groups = [{"params": [parameter], "weight_decay": 0.3}]
    optimizer = AdamW(groups, 0.5, betas=betas, eps=1e-3)
    for gradient, rate in zip(gradients, rates, strict=True):
        set_value(optimizer.learning_rate, rate)
        run(mode, optimizer, [gradient])
    expected = adamw(weight, gradients, rates, *betas, 1e-3, 0.3)
    np.testing.assert_allclose(parameter.asnumpy(), expected, rtol=2e-5, atol=1e-6)


def test_first_step_of_adamw_has_the_length_of_the_learning_rate(mode):
    parameter = Parameter(Tensor([1.0, 1.0], ms.float32), name="w")
    run(mode, AdamW([parameter], 0.01), [np.array([1e-3, -5.0])])
    np.testing.assert_allclose(parameter.asnumpy(), [0.99, 1.01], rtol=1e-5)


@pytest.mark.parametrize("nesterov", [False, True])
def test_sgd_is_momentum_with_coupled_decay(mode, rng, nesterov):
    weight, gradients = rng.normal(size=(2, 2)), rng.normal(size=(4, 2, 2))
    dense = nn.Dense(2, 2, weight_init=Tensor(weight, ms.float32), has_bias=False)
    config = OptimConfig(name="sgd", lr=0.1, momentum=0.8, nesterov=nesterov, weight_decay=0.05)
    optimizer = create_optimizer(dense, config)
    velocity = 0
    for gradient in gradients:
        run(mode, optimizer, [gradient])
        decayed = gradient + 0.05 * weight
        velocity = 0.8 * velocity + decayed
        weight = weight - 0.1 * (decayed + 0.8 * velocity if nesterov else velocity)
    np.testing.assert_allclose(dense.weight.asnumpy(), weight, rtol=1e-5, atol=1e-6)


def test_only_weights_of_two_and_more_dimensions_are_decayed_unless_declared_exempt():
    decayed, plain = parameter_groups(Net(), 0.1)
    assert [p.name for p in decayed["params"]] == ["conv.weight"]
    assert {p.name for p in plain["params"]} == {
        "conv.bias", "norm.gamma", "norm.beta", "layer_norm.gamma", "layer_norm.beta", "table",
        "alpha",
    }  # fmt: skip
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.1, 0.0)


def test_swin_s_dense_recipes_exempt_layer_norms_and_what_is_declared():
    decayed, plain = parameter_groups(Net(), 0.1, "norms")
    assert {p.name for p in plain["params"]} == {"layer_norm.gamma", "layer_norm.beta", "table"}
    assert {p.name for p in decayed["params"]} == {
        "conv.weight", "conv.bias", "norm.gamma", "norm.beta", "alpha",
    }  # fmt: skip


def test_everything_that_is_trained_decays_on_request():
    (everything,) = parameter_groups(Net(), 0.1, "none")
    assert everything["weight_decay"] == 0.1
    assert {p.name for p in everything["params"]} == {p.name for p in Net().trainable_params()}


def test_acmix_declares_its_path_weights_and_swin_its_tables():
    arguments = {"embed_dim": 8, "depths": (1,), "num_heads": (2,), "window_size": 4}
    model = create_model("acmix_swin_tiny", num_classes=3, patch_size=2, **arguments)
    plain = parameter_groups(model, 0.1, "norms")[1]["params"]
    others = {p.name.rpartition(".")[2] for p in plain if "norm" not in p.name.split(".")[-2]}
    assert others == {"alpha", "beta", "relative_position_bias_table"}
    norms = {p.name for p in model.trainable_params() if "norm" in p.name.split(".")[-2]}
    assert norms == {p.name for p in plain if "norm" in p.name.split(".")[-2]}


def test_the_configured_rule_reaches_the_optimizer(mode):
    network = Net()
    config = OptimConfig(lr=0.1, weight_decay=0.5, no_decay="none")
    optimizer = create_optimizer(network, config)
    run(mode, optimizer, [np.zeros(p.shape) for p in optimizer.parameters])
    np.testing.assert_allclose(network.alpha.asnumpy(), [1 - 0.1 * 0.5], rtol=1e-5)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_with_zero_gradients_only_decayed_parameters_move(mode, name):
    network = Net()
    optimizer = create_optimizer(network, OptimConfig(name=name, lr=0.1, weight_decay=0.5))
    before = {p.name: p.asnumpy().copy() for p in network.get_parameters()}
    run(mode, optimizer, [np.zeros(p.shape) for p in optimizer.parameters])
    moved = {
        p.name for p in network.get_parameters() if not np.array_equal(before[p.name], p.asnumpy())
    }
    assert moved == {"conv.weight"}
    np.testing.assert_allclose(
        network.conv.weight.asnumpy(), before["conv.weight"] * (1 - 0.1 * 0.5), rtol=1e-5
    )


def test_network_without_trainable_parameters_is_refused():
    network = nn.Dense(2, 2)
    for parameter in network.get_parameters():
        parameter.requires_grad = False
    with pytest.raises(UserError, match="no trainable parameter"):
        create_optimizer(network, OptimConfig())


# --- layer-wise decay of the learning rate --------------------------------------------------------


class Deep(nn.Cell):
    """A stem, two blocks and a head of one weight each, as a backbone lists them."""

    def __init__(self, weights):
        super().__init__()
        self.stem, self.one, self.two, self.head = (
            nn.Dense(2, 2, weight_init=Tensor(weight, ms.float32), has_bias=False)
            for weight in weights
        )

    def parameter_layers(self):
        return [[cell.weight] for cell in (self.stem, self.one, self.two)]


@pytest.mark.parametrize("name", ["adamw", "sgd"])
def test_layers_learn_the_more_slowly_the_farther_from_the_head(mode, rng, name):
    weights, gradients = rng.normal(size=(4, 2, 2)), rng.normal(size=(5, 4, 2, 2))
    network = Deep(weights)
    config = OptimConfig(name=name, lr=0.1, weight_decay=0.3, layer_decay=0.5, momentum=0.8)
    optimizer = create_optimizer(network, config)
    places = {parameter.name: place for place, parameter in enumerate(network.trainable_params())}
    order = [places[parameter.name] for parameter in optimizer.parameters]
    assert sorted(order) == [0, 1, 2, 3]
    for gradient in gradients:
        run(mode, optimizer, [gradient[place] for place in order])
    for place, (weight, scale) in enumerate(zip(weights, (0.125, 0.25, 0.5, 1), strict=True)):
        steps = gradients[:, place]
        if name == "adamw":
            expected = adamw(weight, steps, [0.1 * scale] * 5, 0.9, 0.999, 1e-8, 0.3)
        else:
            expected, moved = weight, 0
            for gradient in steps:
                moved = 0.8 * moved + gradient + 0.3 * expected
                expected = expected - 0.1 * scale * moved
        trained = network.trainable_params()[place].asnumpy()
        np.testing.assert_allclose(trained, expected, rtol=1e-4, atol=1e-6)


def test_without_layer_decay_there_is_no_factor():
    optimizer = create_optimizer(Net(), OptimConfig(name="adamw"))
    assert optimizer.scales is None

"""What is frozen neither moves nor gets gradients, whatever set_train says later."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn
from models import shrunk
from models.detection.small_detector import Losses, batch, small_detector
from variants import exhaustive

from acmix.config import OptimConfig
from acmix.engine.optim import create_optimizer
from acmix.engine.train_step import TrainStep
from acmix.errors import UserError
from acmix.layers.blocks import batch_norm
from acmix.models import create_model
from acmix.models.freeze import freeze_norm, freeze_parameters, freeze_stages
from acmix.utils.parameters import get_value, set_value

STEMS = {
    "resnet26": {"conv1", "bn1", "stages.0"},
    "san10": {"conv_in", "bn_in", "stages.0"},
    "pvt_tiny": {"stages.0"},
    "swin_tiny": {"patch_embed", "stages.0"},
}


def body(name, **changes):
    return create_model(name, features_only=True, **{**shrunk.arguments(name), **changes})


def values(network):
    return {parameter.name: get_value(parameter) for parameter in network.get_parameters()}


def head_of(name, parts=2):
    return ".".join(name.split(".")[: parts if name.startswith("stages") else 1])


@pytest.mark.parametrize("name", STEMS)
def test_stem_and_first_stages_of_every_family_are_frozen(name):
    backbone = body(name)
    freeze_stages(backbone, 1)
    statistics = ("moving_mean", "moving_variance", "random_state")
    frozen, trained = set(), set()
    for parameter in backbone.get_parameters():
        if not parameter.name.endswith(statistics):
            (trained if parameter.requires_grad else frozen).add(head_of(parameter.name))
    assert frozen == STEMS[name]
    assert trained
    assert not trained & frozen


def test_nothing_is_frozen_by_zero():
    backbone = body("resnet26")
    count = len(backbone.trainable_params())
    freeze_stages(backbone, 0)
    assert len(backbone.trainable_params()) == count
    for _, cell in backbone.cells_and_names():
        assert getattr(cell, "use_batch_statistics", None) is None


@pytest.mark.parametrize("frozen_norm", exhaustive([False, True], [True]))
def test_training_moves_what_is_not_frozen_and_nothing_else(frozen_norm, rng):
    detector = small_detector(frozen_stages=1, frozen_norm=frozen_norm)
    for training in (True, False, True):
        detector.set_train(training)
    before = values(detector)
    network = Losses(detector).set_train(True)
    optimizer = create_optimizer(network, OptimConfig(name="sgd", lr=0.1, weight_decay=0.1))
    step = TrainStep(network, optimizer)
    step([tuple(tensor.asnumpy() for tensor in batch(rng, 64, 64))], 0.1)

    moved = {name for name, value in values(detector).items() if (value != before[name]).any()}
    frozen = ("backbone.conv1", "backbone.bn1", "backbone.stages.0")
    assert not any(name.startswith(frozen) for name in moved)
    statistics = {name for name in before if ".moving_" in name and not name.startswith(frozen)}
    assert statistics
    assert moved & statistics == (set() if frozen_norm else statistics)
    trained = {parameter.name for parameter in optimizer.parameters}
    assert trained == {name for name in before if not name.startswith(frozen)} - {
        name for name in before if ".moving_" in name
    }
    assert trained <= moved
    assert any(name.endswith("bn2.gamma") for name in moved)


def test_a_frozen_norm_has_the_gradients_of_a_fixed_affine_map(mode, rng):
    norm = batch_norm(3)
    mean, variance = rng.standard_normal(3), rng.random(3) + 0.5
    set_value(norm.moving_mean, mean)
    set_value(norm.moving_variance, variance)
    set_value(norm.gamma, rng.standard_normal(3))
    freeze_norm(nn.SequentialCell(norm))
    norm.set_train(True)
    x, cotangent = rng.standard_normal((2, 2, 3, 4, 5)).astype(np.float32)

    def loss(x):
        return (norm(x) * Tensor(cotangent)).sum()

    function = ms.value_and_grad(loss, 0, norm.trainable_params())
    function = ms.jit(function) if mode == "graph" else function
    value, (by_x, (by_gamma, by_beta)) = function(Tensor(x))
    scale = 1 / np.sqrt(variance + 1e-5)
    normed = (x - mean[:, None, None]) * scale[:, None, None]
    gamma = get_value(norm.gamma)[:, None, None]
    assert value.asnumpy() == pytest.approx((normed * gamma * cotangent).sum(), rel=1e-4)
    expected = cotangent * gamma * scale[:, None, None]
    np.testing.assert_allclose(by_x.asnumpy(), expected, rtol=1e-4, atol=1e-5)
    expected = (normed * cotangent).sum((0, 2, 3))
    np.testing.assert_allclose(by_gamma.asnumpy(), expected, rtol=1e-4, atol=1e-4)
    expected = cotangent.sum((0, 2, 3))
    np.testing.assert_allclose(by_beta.asnumpy(), expected, rtol=1e-4, atol=1e-4)


def test_frozen_stages_drop_no_branches(rng):
    ms.set_context(mode=ms.PYNATIVE_MODE)
    x = Tensor(rng.standard_normal((16, 3, 8, 8)).astype(np.float32))
    backbone = body("pvt_tiny", drop_path_rate=0.8)

    def levels_that_vary():
        backbone.set_train(True)
        pairs = zip(backbone(x), backbone(x), strict=True)
        return [bool((one != other).asnumpy().any()) for one, other in pairs]

    assert levels_that_vary() == [False, True]  # the rate grows from 0 at the first block
    freeze_stages(backbone, 2)
    assert levels_that_vary() == [False, False]


@pytest.mark.parametrize("count", [-1, 5])
def test_a_count_that_is_no_number_of_stages_is_refused(count):
    with pytest.raises(
        UserError, match=f"frozen_stages must be between 0 and .* 4 stages.*{count}"
    ):
        freeze_stages(body("resnet26"), count)


# --- by name --------------------------------------------------------------------------------------


def test_parameters_are_frozen_by_pattern():
    network = create_model("resnet26", num_classes=3, **shrunk.arguments("resnet26"))
    freeze_parameters(network, ["conv1.*", "bn1.*", "stages.[01].*"])
    tops = {head_of(parameter.name) for parameter in network.trainable_params()}
    assert tops == {"stages.2", "stages.3", "fc"}
    assert network.bn1.use_batch_statistics is False
    assert network.stages[3][0].bn1.use_batch_statistics is None


def test_without_patterns_all_is_trained():
    network = create_model("resnet26", num_classes=3, **shrunk.arguments("resnet26"))
    count = len(network.trainable_params())
    freeze_parameters(network, ())
    assert len(network.trainable_params()) == count


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("stage.0.*", r"'stage.0.\*' matches no trainable parameter. Names begin with conv1, bn1"),
        ("conv1.weigth", "Did you mean 'conv1.weight'"),
        ("*", "leaves nothing to train"),
    ],
)
def test_a_pattern_without_effect_or_rest_is_refused(pattern, message):
    network = create_model("resnet26", num_classes=3, **shrunk.arguments("resnet26"))
    with pytest.raises(UserError, match=message):
        freeze_parameters(network, [pattern])

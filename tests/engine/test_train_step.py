"""One optimizer step: accumulation, clipping, overflow, learning, in both modes."""

from unittest import mock

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, amp, nn, ops

from acmix.config import OptimConfig, TrainConfig
from acmix.engine.optim import create_optimizer
from acmix.engine.precision import apply_mixed_precision, check_precision, create_loss_scaler
from acmix.engine.step_functions import MOST_JOINED, make_global_norm
from acmix.engine.train_step import TrainStep
from acmix.errors import UserError
from acmix.utils.modes import built_for

SCALERS = []


def kept(cls, *arguments, **named):
    """Make a loss scaler that stays alive.

    MindSpore compiles a scaler's methods once for each address of its scale: a new scaler at the
    address of an old one would use the old scale.
    """
    SCALERS.append(cls(*arguments, **named))
    return SCALERS[-1]


class Regression(nn.Cell):
    """Mean squared error of a linear map; its gradient is written down by hand below."""

    def __init__(self, weight):
        super().__init__()
        self.dense = nn.Dense(
            weight.shape[1], weight.shape[0], Tensor(weight, ms.float32), has_bias=False
        )

    def construct(self, x, y):
        error = self.dense(x).astype(ms.float32) - y
        loss = ops.ReduceMean()(ops.square(error))
        return loss, 3 * loss


def gradient(weight, x, y):
    error = x @ weight.T - y
    return 2 * error.T @ x / error.size


@pytest.fixture
def problem(rng):
    weight = rng.normal(size=(2, 3)).astype(np.float32)
    x = rng.normal(size=(8, 3)).astype(np.float32)
    return weight, x, x @ rng.normal(size=(3, 2)).astype(np.float32)


def sgd(network, lr=0.1, **kwargs):
    return create_optimizer(
        network, OptimConfig(name="sgd", lr=lr, momentum=0.0, weight_decay=0.0, **kwargs)
    )


def weight_of(network):
    return network.trainable_params()[0].asnumpy().copy()


def test_step_is_gradient_descent_and_reports_losses_and_norm(mode, problem):
    weight, x, y = problem
    network = Regression(weight)
    result = TrainStep(network, sgd(network))([(x, y)], 0.25)
    expected = gradient(weight, x, y)
    np.testing.assert_allclose(weight_of(network), weight - 0.25 * expected, rtol=1e-4, atol=1e-6)
    loss = np.mean((x @ weight.T - y) ** 2)
    np.testing.assert_allclose([float(part) for part in result.losses], [loss, 3 * loss], rtol=1e-5)
    assert float(result.grad_norm) == pytest.approx(np.linalg.norm(expected), rel=1e-5)
    assert bool(result.finite)


def test_learning_rate_is_the_argument_of_each_step(mode, problem):
    weight, x, y = problem
    network = Regression(weight)
    step = TrainStep(network, sgd(network))
    step([(x, y)], 0.0)
    np.testing.assert_array_equal(weight_of(network), weight)
    step([(x, y)], 0.1)
    assert np.abs(weight_of(network) - weight).max() > 0.01


@pytest.mark.parametrize("clip_norm", [None, 0.1])
def test_accumulating_four_batches_equals_one_big_batch(mode, problem, clip_norm):
    weight, x, y = problem
    whole, parts = Regression(weight), Regression(weight)
    one = TrainStep(whole, sgd(whole), clip_norm=clip_norm)
    four = TrainStep(parts, sgd(parts), clip_norm=clip_norm, accumulate=4)
    for _ in range(3):
        big = one([(x, y)], 0.1)
        accumulated = four([(x[i : i + 2], y[i : i + 2]) for i in (0, 2, 4, 6)], 0.1)
        np.testing.assert_allclose(weight_of(parts), weight_of(whole), rtol=1e-5, atol=1e-6)
        assert float(accumulated.losses[0]) == pytest.approx(float(big.losses[0]), rel=1e-5)
        assert float(accumulated.grad_norm) == pytest.approx(float(big.grad_norm), rel=1e-5)


@pytest.mark.parametrize("share", [0.5, 2.0])
def test_clipping_shortens_the_gradient_to_the_norm_and_never_lengthens_it(mode, problem, share):
    weight, x, y = problem
    network = Regression(weight)
    expected = gradient(weight, x, y)
    norm = np.linalg.norm(expected)
    result = TrainStep(network, sgd(network), clip_norm=float(share * norm))([(x, y)], 0.1)
    clipped = expected * min(1.0, share)
    np.testing.assert_allclose(weight_of(network), weight - 0.1 * clipped, rtol=1e-4, atol=1e-6)
    assert float(result.grad_norm) == pytest.approx(norm, rel=1e-5)


def test_clipping_is_global_over_parameters(problem):
    weight, x, y = problem
    network = Regression(weight)
    network.dense = nn.Dense(3, 2, Tensor(weight, ms.float32), bias_init="zeros")
    result = TrainStep(network, sgd(network), clip_norm=1e-2)([(x, y)], 1.0)
    moved = np.concatenate(
        [(weight_of(network) - weight).ravel(), network.dense.bias.asnumpy().ravel()]
    )
    assert float(result.grad_norm) > 1e-2
    assert np.linalg.norm(moved) == pytest.approx(1e-2, rel=1e-3)


def test_reduce_is_applied_once_to_the_accumulated_gradient(mode, problem):
    weight, x, y = problem
    network = Regression(weight)

    def double(gradients):
        return tuple([2 * gradient for gradient in gradients])

    step = TrainStep(network, sgd(network), accumulate=2, all_reduce=double)
    step([(x, y), (x, y)], 0.1)
    expected = weight - 0.1 * 2 * gradient(weight, x, y)
    np.testing.assert_allclose(weight_of(network), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_overflow_leaves_weights_and_optimizer_and_halves_a_dynamic_scale(
    mode, problem, accumulate
):
    weight, x, y = problem
    network = Regression(weight)
    optimizer = create_optimizer(network, OptimConfig(name="adamw"))
    scaler = kept(amp.DynamicLossScaler, 2.0**10, scale_factor=2, scale_window=1)
    step = TrainStep(network, optimizer, accumulate=accumulate, scaler=scaler)
    bad = np.full_like(x, np.inf)
    result = step([(bad, y)] + [(x, y)] * (accumulate - 1), 0.1)
    assert not bool(result.finite)
    np.testing.assert_array_equal(weight_of(network), weight)
    assert optimizer.global_step.asnumpy() == 0
    assert all((moment.asnumpy() == 0).all() for moment in optimizer.first_moments)
    assert float(scaler.scale_value.asnumpy()) == 2.0**9
    result = step([(x, y)] * accumulate, 0.1)
    assert bool(result.finite)
    assert optimizer.global_step.asnumpy() == 1
    assert np.abs(weight_of(network) - weight).max() > 0.01
    assert float(scaler.scale_value.asnumpy()) == 2.0**10


def test_scale_does_not_change_the_step(mode, problem):
    weight, x, y = problem
    plain, scaled = Regression(weight), Regression(weight)
    first = TrainStep(plain, sgd(plain), clip_norm=0.5)([(x, y)], 0.1)
    scaler = kept(amp.StaticLossScaler, 2.0**12)
    second = TrainStep(scaled, sgd(scaled), clip_norm=0.5, scaler=scaler)([(x, y)], 0.1)
    np.testing.assert_allclose(weight_of(scaled), weight_of(plain), rtol=1e-5)
    assert float(second.grad_norm) == pytest.approx(float(first.grad_norm), rel=1e-5)
    assert float(second.losses[0]) == pytest.approx(float(first.losses[0]), rel=1e-5)


@pytest.mark.parametrize("device", ["CPU", "Ascend"])
@pytest.mark.parametrize("bad", [None, np.nan, np.inf, -np.inf])
def test_the_norm_is_of_all_gradients_and_finite_only_if_they_are(device, bad, rng):
    with built_for(device):
        norm_of = make_global_norm()
    shapes = ((3, 2, 5), (), (40,), *[(2,)] * MOST_JOINED)
    arrays = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
    expected = np.linalg.norm(np.concatenate([array.reshape(-1) for array in arrays]))
    if bad is not None:
        arrays[2][7] = bad
    norm = float(ms.jit(norm_of)(tuple(map(Tensor, arrays))).asnumpy())
    assert norm == pytest.approx(expected, rel=1e-5) if bad is None else not np.isfinite(norm)


class HalfNet(nn.Cell):
    """Convolution, norm and softmax; tells the precision each computed in."""

    def __init__(self):
        super().__init__(auto_prefix=False)
        self.conv = nn.Conv2d(1, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.softmax = nn.Softmax(axis=1)

    def construct(self, x, y):
        features = self.norm(self.conv(x))
        share = self.softmax(1e3 * ops.ReduceMean()(features, (2, 3)))
        loss = ops.ReduceMean()(ops.square(share.astype(ms.float32) - y))
        return (loss,)


def test_o2_computes_in_float16_keeps_float32_weights_and_learns(mode, rng):
    network = HalfNet()
    names = [parameter.name for parameter in network.get_parameters()]
    network = apply_mixed_precision(network, "O2")
    assert [parameter.name for parameter in network.get_parameters()] == names
    scaler = create_loss_scaler(TrainConfig(amp="O2", loss_scale="dynamic"))
    optimizer = create_optimizer(network, OptimConfig(name="adamw"))
    step = TrainStep(network.set_train(), optimizer, scaler=scaler, clip_norm=1.0)
    x = rng.normal(size=(4, 1, 6, 6)).astype(np.float32)
    y = np.eye(4, dtype=np.float32)
    results = [step([(x, y)], 0.01) for _ in range(12)]
    losses = [float(result.losses[0]) for result in results if bool(result.finite)]
    assert len(losses) >= 8
    assert losses[-1] < 0.8 * losses[0]
    assert all(parameter.dtype == ms.float32 for parameter in network.get_parameters())


def test_o2_skips_overflowing_steps_until_the_scale_fits_and_then_updates(mode, rng):
    network = apply_mixed_precision(HalfNet(), "O2")
    optimizer = create_optimizer(network, OptimConfig(name="adamw"))
    # The gradient of float16 features overflows at this scale; it has to be halved several times.
    scaler = kept(amp.DynamicLossScaler, 2.0**30, scale_factor=2, scale_window=1000)
    step = TrainStep(network.set_train(), optimizer, scaler=scaler)
    x = rng.normal(size=(4, 1, 6, 6)).astype(np.float32)
    y = np.eye(4, dtype=np.float32)
    before = weight_of(network)
    skips = 0
    while not bool(step([(x, y)], 0.01).finite):
        skips += 1
        np.testing.assert_array_equal(weight_of(network), before)
    assert 1 <= skips < 30
    assert float(scaler.scale_value.asnumpy()) == 2.0 ** (30 - skips)
    assert np.abs(weight_of(network) - before).max() > 1e-4


def test_o2_marks_convolutions_half_softmax_full_and_norms_not_at_all():
    network = HalfNet()
    apply_mixed_precision(network, "O2")
    precisions = {
        type(cell).__name__: "half" if cell.fp16 else "full" if cell.fp32 else "as its input"
        for _, cell in network.cells_and_names()
        if isinstance(cell, (nn.Conv2d, nn.BatchNorm2d, nn.Softmax))
    }
    expected = {"Conv2d": "half", "BatchNorm2d": "as its input", "Softmax": "full"}
    assert precisions == expected


def test_bfloat16_is_for_cells_whose_operators_take_it():
    """MindSpore's BatchNorm and Ascend's MaxPool do not."""
    network = nn.SequentialCell(HalfNet(), nn.MaxPool2d(2))
    apply_mixed_precision(network, "O2", "bfloat16")
    found = {
        type(cell).__name__: [name for name in ("fp16", "bf16", "fp32") if getattr(cell, name)]
        for _, cell in network.cells_and_names()
        if isinstance(cell, (nn.Conv2d, nn.BatchNorm2d, nn.Softmax, nn.MaxPool2d))
    }
    full = {name: ["fp32"] for name in ("BatchNorm2d", "Softmax", "MaxPool2d")}
    assert found == {"Conv2d": ["bf16"], **full}


def test_bfloat16_is_refused_where_there_is_none():
    config = TrainConfig(amp="O2", amp_dtype="bfloat16")
    with mock.patch("acmix.engine.precision.MSContext") as context:
        version = context.get_instance.return_value.get_ascend_soc_version
        version.return_value = "ascend910"
        with pytest.raises(UserError, match="this device, ascend910, has no bfloat16"):
            check_precision(config, "Ascend")
        for chip in ("ascend910b", "ascend910_93"):
            version.return_value = chip
            check_precision(config, "Ascend")
    for target in ("CPU", "GPU"):
        with pytest.raises(UserError, match=rf"train.amp_dtype=bfloat16: .* not on {target}; "):
            check_precision(config, target)
        check_precision(TrainConfig(amp="O0", amp_dtype="bfloat16"), target)
        check_precision(TrainConfig(amp="O2"), target)


def test_a_norm_of_a_half_precision_map_is_the_float32_one_rounded(mode, rng):
    norms = [nn.BatchNorm2d(4).set_train() for _ in range(2)]
    apply_mixed_precision(nn.SequentialCell(norms[0]), "O2")
    x = (3 + 5 * rng.standard_normal((4, 4, 5, 6))).astype(np.float16)
    half, full = norms[0](Tensor(x)), norms[1](Tensor(x.astype(np.float32)))
    assert half.dtype == ms.float16
    np.testing.assert_array_equal(half.asnumpy(), full.asnumpy().astype(np.float16))
    for own, other in zip(*(norm.get_parameters() for norm in norms), strict=True):
        np.testing.assert_array_equal(own.asnumpy(), other.asnumpy())


def test_loss_scaler_follows_the_configuration():
    assert create_loss_scaler(TrainConfig(amp="O0")) is None
    static = create_loss_scaler(TrainConfig(amp="O2", loss_scale=64.0))
    assert isinstance(static, amp.StaticLossScaler)
    assert float(static.scale_value.asnumpy()) == 64.0
    dynamic = create_loss_scaler(TrainConfig(amp="O2", loss_scale="dynamic"))
    assert isinstance(dynamic, amp.DynamicLossScaler)
    assert create_loss_scaler(TrainConfig(amp="O2", amp_dtype="bfloat16")) is None


def test_wrong_number_of_batches_is_named(problem):
    weight, x, y = problem
    network = Regression(weight)
    with pytest.raises(UserError, match="accumulate=2 batches, got 1"):
        TrainStep(network, sgd(network), accumulate=2)([(x, y)], 0.1)

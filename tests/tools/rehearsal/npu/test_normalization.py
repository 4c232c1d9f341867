"""Norms and softmax of the software NPU against MindSpore's CPU operators."""

import numpy as np
import pytest
from calls import aclnn, aclop
from mindspore import ops
from oracle import close, gradients, randn, values

EPSILON = 1e-3
SHAPE = (3, 4, 5, 2)


def zeros(*shapes):
    return tuple(np.zeros(shape, np.float32) for shape in shapes)


def channels(seed):
    """Return four numbers from 0.5 on."""
    return np.abs(randn(4, seed=seed)) + np.float32(0.5)


def of_channels(x):
    return x.reshape(1, -1, 1, 1)


def batch_norm(x, scale, offset, mean=None, variance=None):
    """Return a norm over the batch in tensors, or by given statistics."""
    if mean is None:
        mean = x.mean((0, 2, 3))
        variance = ((x - of_channels(mean)) ** 2).mean((0, 2, 3))
    deviation = (of_channels(variance) + EPSILON) ** 0.5
    return (x - of_channels(mean)) / deviation * of_channels(scale) + of_channels(offset)


def test_batch_norm_by_running_statistics():
    x, (scale, offset, mean, variance) = randn(*SHAPE), map(channels, range(4))
    (y,) = zeros(SHAPE)
    statistics = {"mean": mean, "variance": variance}
    inputs = {"x": x, "scale": scale, "offset": offset, **statistics}
    aclop("BNInfer", inputs, {"y": y}, epsilon=EPSILON)
    close(y, values(ops.BatchNorm(False, EPSILON), x, scale, offset, mean, variance)[0])

    gradient, (found,) = randn(*SHAPE, seed=9), zeros(SHAPE)
    inputs = {"grads": gradient, "scale": scale, "batch_variance": variance}
    aclop("BNInferGrad", inputs, {"x_backprop": found}, epsilon=EPSILON)
    close(found, gradients(batch_norm, gradient, x, scale, offset, mean, variance)[0])


def test_a_step_of_batch_norm():
    """Its four operators one after the other, as a training step calls them."""
    x = randn(*SHAPE)[::-1] * 3 + 1  # a view
    scale, offset, mean, variance = map(channels, range(4))
    total, squares, batch_mean, batch_variance, new_mean, new_variance = zeros(*[4] * 6)
    (y,) = zeros(SHAPE)
    aclop("BNTrainingReduce", {"x": x}, {"sum": total, "square_sum": squares})
    aclop(
        "BNTrainingUpdate",
        {"x": x, "sum": total, "square_sum": squares, "scale": scale, "offset": offset}
        | {"mean": mean, "variance": variance},
        {"y": y, "mean": new_mean, "variance": new_variance}
        | {"batch_mean": batch_mean, "batch_variance": batch_variance},
        epsilon=EPSILON,
        factor=0.1,
    )
    close(y, values(batch_norm, x, scale, offset))
    per_channel = x.transpose(1, 0, 2, 3).reshape(4, -1).astype(np.float64)
    close(batch_mean, per_channel.mean(1))
    close(batch_variance, per_channel.var(1))
    close(new_mean, 0.9 * mean + 0.1 * per_channel.mean(1))
    close(new_variance, 0.9 * variance + 0.1 * per_channel.var(1, ddof=1))

    gradient, (of_scale, of_offset, of_x) = randn(*SHAPE, seed=9), zeros(4, 4, SHAPE)
    batch = {"batch_mean": batch_mean, "batch_variance": batch_variance}
    inputs = {"grads": gradient, "x": x, **batch}
    outputs = {"diff_scale": of_scale, "diff_offset": of_offset}
    aclop("BNTrainingUpdateGrad", inputs, outputs, epsilon=EPSILON)
    aclop("BNTrainingReduceGrad", inputs | outputs | {"scale": scale}, {"y": of_x}, epsilon=EPSILON)
    wanted = gradients(batch_norm, gradient, np.ascontiguousarray(x), scale, offset)
    for found, one in zip((of_x, of_scale, of_offset), wanted, strict=True):
        close(found, one, 1e-4)


@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_of_aclnn(training):
    x, (scale, offset, mean, variance) = randn(*SHAPE), map(channels, range(4))
    given = [] if training else [mean, variance]
    wanted = values(batch_norm, x, scale, offset, *given)
    running, (y, batch_mean, rstd) = (mean.copy(), variance.copy()), zeros(SHAPE, 4, 4)
    plain = x, scale, offset, *running, training, 0.1, EPSILON
    aclnn("aclnnBatchNorm", *plain, y, batch_mean, rstd)
    close(y, wanted)
    per_channel = x.transpose(1, 0, 2, 3).reshape(4, -1)
    share = 0.1 if training else 0
    close(running[0], (1 - share) * mean + share * per_channel.mean(1))
    close(running[1], (1 - share) * variance + share * per_channel.var(1, ddof=1))

    gradient, found = randn(*SHAPE, seed=9), zeros(SHAPE, 4, 4)
    plain = gradient, x, scale, mean, variance, batch_mean, rstd, training, EPSILON
    aclnn("aclnnBatchNormBackward", *plain, [True, True, True], *found)
    wanted = gradients(batch_norm, gradient, x, scale, offset, *given)[:3]
    for one, other in zip(found, wanted, strict=True):
        close(one, other, 1e-4)


def test_statistics_that_are_missing_are_refused():
    x, found = randn(*SHAPE), zeros(SHAPE, 4, 4)
    with pytest.raises(AssertionError, match="statistics are missing"):
        aclnn("aclnnBatchNorm", x, None, None, None, None, False, 0.1, EPSILON, *found)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
@pytest.mark.parametrize("axes", [1, 2])
def test_layer_norm(dtype, axes):
    x = (randn(3, 5, 4) * 2 + 1).astype(dtype)
    gamma, beta = (randn(*x.shape[-axes:], seed=i).astype(dtype) for i in (1, 2))
    y, (mean, variance, rstd) = np.zeros_like(x), zeros(*[(*x.shape[:-axes], *[1] * axes)] * 3)
    exact = [one.astype(np.float32) for one in (x, gamma, beta)]
    wanted = values(ops.LayerNorm(3 - axes, 3 - axes, EPSILON), *exact)
    inputs = {"x": x, "gamma": gamma, "beta": beta}
    words = dict(begin_norm_axis=-axes, begin_params_axis=-axes, epsilon=EPSILON)
    aclop("LayerNorm", inputs, {"y": y, "mean": mean, "variance": variance}, **words)
    bound = 1e-5 if dtype == np.float32 else 1e-3
    close(y.astype(np.float32), wanted[0], bound)
    close(mean, wanted[1])
    flat = exact[0].reshape(*x.shape[:-axes], -1)
    close(variance.reshape(flat.shape[:-1]), flat.var(-1))

    for name in ("aclnnLayerNorm", "LayerNormV4"):
        y[...], mean[...] = 0, 0
        shape = list(gamma.shape)
        if name == "LayerNormV4":
            inputs["normalized_shape"] = np.array(shape)
            outputs = {"y": y, "mean": mean, "rstd": rstd}
            aclop(name, inputs, outputs, epsilon=EPSILON)
        else:
            aclnn(name, x, shape, gamma, beta, EPSILON, y, mean, rstd)
        close(y.astype(np.float32), wanted[0], bound)
        close(mean, wanted[1])
        close(rstd, 1 / np.sqrt(variance + EPSILON))


@pytest.mark.parametrize("axes", [1, 2])
def test_gradients_of_layer_norm(axes):
    x, gradient = randn(3, 5, 4) * 2 + 1, randn(3, 5, 4, seed=9)
    gamma, beta = (randn(*x.shape[-axes:], seed=i) for i in (1, 2))
    every = tuple(range(-axes, 0))

    def norm(x, gamma, beta, epsilon):
        mean = x.mean(every, True)
        return (x - mean) / (((x - mean) ** 2).mean(every, True) + epsilon) ** 0.5 * gamma + beta

    mean = x.mean(every, keepdims=True)
    variance = x.var(every, keepdims=True)
    found = zeros(x.shape, gamma.shape, gamma.shape)
    inputs = {"dy": gradient, "x": x, "variance": variance, "mean": mean, "gamma": gamma}
    aclop("LayerNormGrad", inputs, dict(zip(("pd_x", "pd_gamma", "pd_beta"), found, strict=True)))
    wanted = gradients(lambda *all: norm(*all, 0), gradient, x, gamma, beta)
    for one, other in zip(found, wanted, strict=True):
        close(one, other, 1e-4)

    rstd = 1 / np.sqrt(variance + EPSILON)
    plain = gradient, x, list(gamma.shape), mean, rstd, gamma, beta, [True, False, True]
    aclnn("aclnnLayerNormBackward", *plain, found[0], None, found[2])
    wanted = gradients(lambda *all: norm(*all, EPSILON), gradient, x, gamma, beta)
    close(found[0], wanted[0], 1e-4)
    close(found[2], wanted[2], 1e-4)


def test_parameters_of_other_axes_than_the_norm_are_refused():
    x, one, (y, mean, variance) = randn(2, 3), np.ones(3, np.float32), zeros((2, 3), (2, 1), (2, 1))
    inputs, outputs = {"x": x, "gamma": one, "beta": one}, {"y": y, "mean": mean}
    words = dict(begin_norm_axis=0, begin_params_axis=1)
    with pytest.raises(AssertionError, match="begin_params_axis 1 is not begin_norm_axis"):
        aclop("LayerNorm", inputs, outputs | {"variance": variance}, **words)


def test_group_norm():
    x, gamma, beta = randn(*SHAPE) * 2 + 1, randn(4, seed=1), randn(4, seed=2)

    def norm(x, gamma, beta):
        groups = x.reshape(3, 2, -1)
        mean = groups.mean(2, True)
        variance = ((groups - mean) ** 2).mean(2, True)
        y = ((groups - mean) / (variance + EPSILON) ** 0.5).reshape(SHAPE)
        return y * of_channels(gamma) + of_channels(beta)

    y, mean, rstd = zeros(SHAPE, (3, 2), (3, 2))
    sizes = 3, 4, 10, 2
    aclnn("aclnnGroupNorm", x, gamma, beta, *sizes, EPSILON, y, mean, rstd)
    close(y, values(norm, x, gamma, beta))
    close(mean, x.reshape(3, 2, -1).mean(-1))
    gradient, found = randn(*SHAPE, seed=9), zeros(SHAPE, 4, 4)
    plain = gradient, x, mean, rstd, gamma, *sizes, [True, True, True]
    aclnn("aclnnGroupNormBackward", *plain, *found)
    for one, other in zip(found, gradients(norm, gradient, x, gamma, beta), strict=True):
        close(one, other, 1e-4)


@pytest.mark.parametrize("axis", [-1, 1])
@pytest.mark.parametrize("kind", ["Softmax", "LogSoftmax"])
def test_softmax(axis, kind):
    x, gradient = randn(3, 4, 5) * 50, randn(3, 4, 5, seed=1)
    function = {"Softmax": ops.Softmax, "LogSoftmax": ops.LogSoftmax}[kind](axis)
    wanted, of_x = values(function, x), gradients(function, gradient, x)[0]
    y, found = zeros(x.shape, x.shape)
    aclnn(f"aclnn{kind}", x, axis, y)
    close(y, wanted)
    aclnn(f"aclnn{kind}Backward", gradient, y, axis, found)
    close(found, of_x)
    for array in (y, found):
        array[...] = 0
    if kind == "Softmax":
        aclop("SoftmaxV2", {"x": x}, {"y": y}, axes=[axis])
        inputs = {"softmax": wanted, "grad_softmax": gradient}
        aclop("SoftmaxGrad", inputs, {"grad_x": found}, axes=[axis])
    else:
        aclop("LogSoftmaxV2", {"logits": x}, {"logsoftmax": y}, axes=[axis])
        aclop("LogSoftmaxGrad", {"grad": gradient, "x": wanted}, {"y": found}, axis=[axis])
    close(y, wanted)
    close(found, of_x)


def test_softmax_of_masked_and_of_nan_rows():
    x = np.array([[0, -np.inf, 0], [1, np.nan, 2]], np.float16)
    y = np.zeros((2, 3), np.float16)
    aclnn("aclnnSoftmax", x, -1, y)
    assert y[0].tolist() == [0.5, 0, 0.5]
    assert np.isnan(y[1]).all()

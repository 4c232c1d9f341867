"""Compare a Cell with an oracle, in value and in gradient by every input and parameter."""

from __future__ import annotations

import mindspore as ms
import numpy as np
from mindspore import Tensor, nn, ops

TOLERANCE = 1e-5  # relative to the largest magnitude; both sides see the same float32 numbers
GRADIENT_TOLERANCE = 2e-4


class _Backward(nn.Cell):
    """Gradients of sum(net(*inputs) * cotangent) by inputs and trainable parameters."""

    def __init__(self, net: nn.Cell):
        super().__init__()
        self.net = net
        self.parameters = ms.ParameterTuple(net.trainable_params())
        self.gradient = ops.GradOperation(get_all=True, get_by_list=True, sens_param=True)

    def construct(self, *arguments):
        return self.gradient(self.net, self.parameters)(*arguments)


def close(actual: np.ndarray, expected: np.ndarray, tolerance: float, what: str) -> None:
    assert actual.shape == expected.shape, f"{what}: shape {actual.shape} != {expected.shape}"
    scale = max(np.abs(expected).max(), 1.0)
    error = np.abs(actual - expected).max() / scale
    assert error < tolerance, f"{what}: relative error {error:.2e}"


def randomise(net: nn.Cell, rng: np.random.Generator) -> None:
    """Give every parameter values of order one, so that nothing hides behind zeros."""
    for parameter in net.get_parameters():
        value = rng.standard_normal(parameter.shape).astype(np.float32)
        parameter.set_data(Tensor(value * 0.5))


def assert_matches(net, oracle, inputs, rng, *, gradients=True):
    """Check ``net(*inputs)`` and its gradients against ``oracle(inputs, parameters)``.

    ``oracle`` takes a list of float64 inputs and a dict of float64 parameters. Gradients are
    compared as derivatives along a random direction per array, taken from the oracle by central
    differences.
    """
    inputs = [np.asarray(x, np.float32) for x in inputs]
    names = [p.name for p in net.trainable_params()]
    parameters = {p.name: p.asnumpy().astype(np.float64) for p in net.get_parameters()}
    wide = [x.astype(np.float64) for x in inputs]
    expected = oracle(wide, parameters)
    actual = net(*map(Tensor, inputs)).asnumpy()
    close(actual, expected, TOLERANCE, "value")
    if not gradients:
        return
    cotangent = rng.standard_normal(expected.shape).astype(np.float32)
    by_input, by_parameter = _Backward(net)(*map(Tensor, inputs), Tensor(cotangent))
    step = 1e-5

    def derivative(move):
        ahead, behind = (oracle(*move(sign * step)) for sign in (1, -1))
        return ((ahead - behind) * cotangent).sum() / (2 * step)

    for index, gradient in enumerate(by_input):
        direction = rng.standard_normal(wide[index].shape)

        def move_input(amount, index=index, direction=direction):
            moved = [x + amount * direction if i == index else x for i, x in enumerate(wide)]
            return moved, parameters

        _same_derivative(gradient, direction, derivative(move_input), f"input {index}")
    for name, gradient in zip(names, by_parameter, strict=True):
        direction = rng.standard_normal(parameters[name].shape)

        def move_parameter(amount, name=name, direction=direction):
            return wide, {**parameters, name: parameters[name] + amount * direction}

        _same_derivative(gradient, direction, derivative(move_parameter), name)


def _same_derivative(gradient, direction, expected, what):
    gradient = gradient.asnumpy().astype(np.float64)
    actual = (gradient * direction).sum()
    # Rounding in float32 grows with the size of the terms that are added, not with their sum.
    scale = max(np.abs(gradient * direction).sum(), 1.0)
    error = abs(actual - expected) / scale
    assert error < GRADIENT_TOLERANCE, f"gradient of {what}: {actual} != {expected}"

"""Tensors kept for the backward pass, of a network small enough to say which they are."""

from __future__ import annotations

import mindspore as ms
import pytest
from mindspore import Tensor, nn, ops

from acmix.config import OptimConfig
from acmix.engine.optim import create_optimizer
from acmix.engine.train_step import TrainStep
from acmix.tools.graphs import graph_of
from acmix.tools.plan.activations import saved_for_backward


class Perceptron(nn.Cell):
    """x (B, 4), 8 rectified, 3 squared; the last are averaged."""

    def __init__(self, half=False):
        super().__init__()
        self.first = nn.Dense(4, 8, has_bias=False)
        self.second = nn.Dense(8, 3, has_bias=False)
        self.dtype = ms.float16 if half else ms.float32

    def construct(self, x):
        hidden = ops.relu(ops.matmul(x, self.first.weight.T))
        output = ops.matmul(hidden.astype(self.dtype), self.second.weight.T.astype(self.dtype))
        return (ops.square(output.astype(ms.float32)).mean(),)


def kept(network, batch):
    step = TrainStep(network.set_train(), create_optimizer(network, OptimConfig(name="sgd")))
    return saved_for_backward(
        graph_of(step.as_cell(), [Tensor(shape=(batch, 4), dtype=ms.float32)])
    )


@pytest.mark.parametrize("batch", [2, 16])
def test_the_rectified_and_the_squared_are_kept(batch):
    """ReLU and the second product read the one, the square the other; the images are no node's."""
    found = kept(Perceptron(), batch)
    assert found.of_batch == 4 * batch * (8 + 3)


def test_what_is_made_of_weights_does_not_grow_with_the_batch():
    """The gradient of the second product reads its 8 x 3 weights, as they were multiplied."""
    full, small, large = (
        kept(Perceptron(), 2),
        kept(Perceptron(True), 2),
        kept(Perceptron(True), 16),
    )
    assert full.of_weights == 4 * 8 * 3
    assert small.of_weights == large.of_weights == 2 * 8 * 3
    # Rectified in float32 for ReLU's gradient and in float16, squared in float32.
    assert large.of_batch == 8 * small.of_batch == 16 * (8 * (4 + 2) + 3 * 4)

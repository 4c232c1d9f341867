"""The tracer against counts worked out by hand."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn, ops

from acmix.errors import UserError
from acmix.layers.drop_path import DropPath
from acmix.tools.analysis.macs import trace


class Residual(nn.Cell):
    """1x1 down, 3x3 grouped, 1x1 up, projection on the shortcut; stride 2."""

    def __init__(self):
        super().__init__()
        self.down = nn.Conv2d(8, 4, 1)
        self.norm = nn.BatchNorm2d(4)
        self.mix = nn.Conv2d(4, 4, 3, stride=2, pad_mode="pad", padding=1, group=2)
        self.up = nn.Conv2d(4, 16, 1, has_bias=True)
        self.shortcut = nn.Conv2d(8, 16, 1, stride=2, pad_mode="valid")
        self.relu = nn.ReLU()

    def construct(self, x):
        y = self.relu(self.norm(self.down(x)))
        return self.relu(self.up(self.mix(y)) + self.shortcut(x))


class Attend(nn.Cell):
    """Self-attention over tokens; folds the weights of ``value`` and ``out`` instead of calling."""

    def __init__(self, returned=None):
        super().__init__()
        self.query = nn.Dense(6, 6, has_bias=False)
        self.value = nn.Dense(6, 6, has_bias=False)
        self.out = nn.Dense(6, 6, has_bias=False)
        self.returned = returned

    def construct(self, x):
        weights = ops.softmax(ops.bmm(self.query(x), x.swapaxes(1, 2)), -1)
        folded = ops.matmul(self.out.weight, self.value.weight)
        return ops.matmul(ops.bmm(weights, x), folded.T)

    def macs(self, x):
        if self.returned is not None:
            return self.returned
        batch, tokens, width = x
        products = 2 * batch * tokens**2 * width
        return {"attention": products, "linear": batch * tokens * width**2 + width**3}


class TokensNet(nn.Cell):
    def __init__(self, mixer):
        super().__init__()
        self.mixer = mixer
        self.head = nn.Dense(6, 3)

    def construct(self, x):
        return self.head(self.mixer(x))


class Weighted(nn.Cell):
    """A matrix of its own and no ``macs``: the tracer cannot know what it costs."""

    def __init__(self):
        super().__init__()
        self.matrix = ms.Parameter(np.ones((6, 6), np.float32))

    def construct(self, x):
        return ops.matmul(x, self.matrix)


def test_residual_block_with_stride_groups_and_bias():
    counted = trace(Residual(), (1, 8, 10, 6))
    inside, outside = 10 * 6, 5 * 3
    core = inside * 8 * 4 + outside * 4 * 2 * 9 + outside * 4 * 16 + outside * 8 * 16
    assert counted.macs == core
    assert counted.kinds["bias"] == outside * 16
    assert counted.kinds["norm"] == 2 * inside * 4
    assert counted.kinds["relu"] == inside * 4 + outside * 16
    assert counted.san_macs == core + sum(counted.kinds[kind] for kind in ("bias", "norm", "relu"))
    # BatchNorm's running statistics are not parameters.
    assert counted.params == 8 * 4 + 2 * 4 + 4 * 2 * 9 + (4 * 16 + 16) + 8 * 16
    assert counted.uncounted == ()


def test_pools_count_their_inputs_for_the_san_counter_only():
    network = nn.SequentialCell(nn.MaxPool2d(2, 2), nn.AdaptiveAvgPool2d(1))
    counted = trace(network, (1, 3, 8, 8))
    assert counted.macs == 0
    assert counted.san_macs == 3 * 8 * 8 + 3 * 4 * 4


def test_transposed_convolution_costs_per_input_element():
    counted = trace(nn.Conv2dTranspose(4, 6, 3, stride=2), (1, 4, 5, 7))
    assert counted.macs == 5 * 7 * 4 * 6 * 9


@pytest.mark.parametrize("batch", [1, 3])
def test_dense_counts_every_leading_axis(batch):
    counted = trace(nn.Dense(6, 5), (batch, 7, 6))
    assert counted.macs == batch * 7 * 6 * 5


def test_shared_cell_is_counted_per_call_and_its_parameters_once():
    shared = nn.Dense(6, 6, has_bias=False)
    counted = trace(nn.SequentialCell(shared, nn.ReLU(), shared), (1, 6))
    assert counted.macs == 2 * 36
    assert counted.params == 36


def test_parameter_of_two_cells_is_counted_once():
    first, second = nn.Dense(6, 6, has_bias=False), nn.Dense(6, 6, has_bias=False)
    second.weight = first.weight
    assert trace(nn.SequentialCell(first, second), (1, 6)).params == 36


def test_macs_of_a_cell_add_to_called_children_and_answer_for_folded_ones():
    counted = trace(TokensNet(Attend()), (2, 5, 6))
    query, products, folded = 2 * 5 * 36, 2 * 2 * 25 * 6, 2 * 5 * 36 + 6**3
    assert counted.macs == query + products + folded + 2 * 5 * 6 * 3
    assert counted.kinds["attention"] == products
    assert counted.params == 3 * 36 + 6 * 3 + 3
    assert counted.uncounted == ()


def test_plain_number_from_macs_is_core():
    assert trace(Attend(returned=7), (1, 5, 6)).macs == 5 * 36 + 7


@pytest.mark.parametrize("returned", [1.5, -1, {"attention": None}])
def test_macs_that_are_not_counts_are_refused(returned):
    with pytest.raises(UserError, match=r"Attend\.macs of 'mixer'"):
        trace(TokensNet(Attend(returned)), (1, 5, 6))


def test_weights_nobody_answers_for_are_named():
    class Unused(TokensNet):
        def construct(self, x):
            return self.mixer(x)

    assert trace(Unused(Weighted()), (1, 6)).uncounted == ("mixer", "head")


def test_what_only_training_calls_is_not_missed():
    class Auxiliary(TokensNet):
        training_only = ("head",)

        def construct(self, x):
            return self.mixer(x)

    assert trace(Auxiliary(Weighted()), (1, 6)).uncounted == ("mixer",)
    nested = nn.SequentialCell(Auxiliary(Weighted()))
    assert trace(nested, (1, 6)).uncounted == ("0.mixer",)


def test_random_states_are_no_parameters():
    counted = trace(nn.SequentialCell(nn.Dense(6, 2), DropPath(0.5)), (1, 6))
    assert counted.params == 6 * 2 + 2


def test_modes_and_flags_are_restored_and_graph_mode_compiles_afterwards(mode):
    network = Residual()
    network.set_train(True)
    network.norm.set_train(False)
    before = {name: cell.training for name, cell in network.cells_and_names()}
    context = ms.get_context("mode")
    trace(network, (1, 8, 4, 4))
    assert ms.get_context("mode") == context
    assert {name: cell.training for name, cell in network.cells_and_names()} == before
    assert network(Tensor(np.zeros((1, 8, 4, 4), np.float32))).shape == (1, 16, 2, 2)


def test_everything_is_restored_when_the_network_fails():
    network = Residual().set_train(True)
    with pytest.raises((ValueError, RuntimeError)):
        trace(network, (1, 5, 4, 4))
    assert network.training
    assert network.mix.training
    assert ms.get_context("mode") == ms.GRAPH_MODE
    assert not network.mix._forward_hook


def test_running_statistics_do_not_move():
    network = Residual().set_train(True)
    trace(network, Tensor(np.random.randn(2, 8, 4, 4).astype(np.float32)))
    assert np.array_equal(network.norm.moving_mean.asnumpy(), np.zeros(4, np.float32))

"""Blocks computed again in the backward pass: the same training, fewer tensors kept."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn, ops

from acmix.config import OptimConfig, load_config
from acmix.engine.optim import create_optimizer
from acmix.engine.recompute import recompute_blocks
from acmix.engine.train_step import TrainStep
from acmix.errors import UserError
from acmix.layers.drop_path import Dropout
from acmix.models.backbone import blocks_of
from acmix.tools.graphs import graph_of
from acmix.tools.plan.activations import saved_for_backward
from acmix.utils.modes import execution_mode

BATCH, SIDE = 4, 4


class Block(nn.Cell):
    """Convolution, BatchNorm, ReLU, dropout: what computes and what has state."""

    def __init__(self, number):
        super().__init__()
        weight = np.random.default_rng(number).normal(size=(8, 8, 3, 3)) / 8
        self.conv = nn.Conv2d(
            8, 8, 3, pad_mode="pad", padding=1, weight_init=Tensor(weight, ms.float32)
        )
        self.norm = nn.BatchNorm2d(8)
        self.relu = nn.ReLU()
        self.drop = Dropout(0.4)

    def construct(self, x):
        return self.drop(self.relu(self.norm(self.conv(x))))


class Network(nn.Cell):
    def __init__(self, count):
        super().__init__()
        self.stage = nn.SequentialCell([Block(number) for number in range(count)])

    def all_blocks(self):
        return blocks_of(self.stage)

    def construct(self, x):
        return (ops.square(self.stage(x)).mean(),)


def step_of(recompute, count=3):
    np.random.seed(0)  # decides the random states
    network = Network(count).set_train()
    if recompute:
        recompute_blocks(network)
    config = OptimConfig(name="sgd", momentum=0.9, weight_decay=0.0)
    return TrainStep(network, create_optimizer(network, config))


@pytest.fixture(scope="module")
def graphs():
    """Steps without and with recomputation."""
    images = Tensor(shape=(BATCH, 8, SIDE, SIDE), dtype=ms.float32)
    return [graph_of(step_of(recompute).as_cell(), (images,)) for recompute in (False, True)]


def test_weights_statistics_and_random_states_are_those_without(rng):
    """Statistics counted twice, or numbers drawn twice, would differ."""
    batches = [rng.normal(size=(BATCH, 8, SIDE, SIDE)).astype(np.float32) for _ in range(3)]
    trained = []
    for recompute in (False, True):
        with execution_mode(ms.GRAPH_MODE):
            step = step_of(recompute)
            losses = [float(step([(batch,)], 0.5).losses[0]) for batch in batches]
        trained.append(
            {"losses": losses} | {p.name: p.asnumpy() for p in step.network.get_parameters()}
        )
    plain, again = trained
    assert plain.keys() == again.keys()
    for name, values in plain.items():
        np.testing.assert_allclose(again[name], values, rtol=1e-5, atol=1e-7, err_msg=name)


def test_only_what_has_no_state_is_computed_again(graphs):
    once, again = (graph.count_operators() for graph in graphs)
    for operator in ("BatchNorm", "Assign", "ReduceSum"):  # ReduceSum: of the random numbers
        assert once[operator] == again[operator] >= 3, operator
    assert once["Conv2D"] == 3
    assert again["Conv2D"] >= 5  # the first block has what enters it, the images, as it is
    assert again["ReLU"] >= 5


def test_what_enters_a_block_and_the_norms_outputs_are_kept(graphs):
    """Without: output of each convolution, of each norm or ReLU, and of each dropout."""
    once, again = (saved_for_backward(graph).of_batch for graph in graphs)
    map_bytes = 4 * BATCH * 8 * SIDE * SIDE
    assert once > 7 * map_bytes
    # Three norms, two borders of blocks and the last block's output, and a few statistics.
    assert again < 6.5 * map_bytes


def test_pynative_mode_is_refused():
    with pytest.raises(UserError, match=r"train\.recompute=true needs runtime\.mode=graph"):
        load_config(None, ["task=classification", "train.recompute=true", "runtime.mode=pynative"])

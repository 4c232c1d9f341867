"""Drop-in use on a ResNet of BasicBlocks, which is nobody's registered model."""

from __future__ import annotations

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn, ops

import acmix
from acmix import ACmix, replace_conv
from acmix.errors import UserError
from acmix.utils.parameters import get_value


class BasicBlock(nn.Cell):
    def __init__(self, in_channels, channels, stride=1, dilation=1):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride, pad_mode="pad", padding=1)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(
            channels, channels, 3, pad_mode="pad", padding=dilation, dilation=dilation
        )
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU()
        self.shortcut = nn.SequentialCell(
            nn.Conv2d(in_channels, channels, 1, stride), nn.BatchNorm2d(channels)
        )

    def construct(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + self.shortcut(x))


class BasicResNet(nn.Cell):
    def __init__(self):
        super().__init__()
        self.stem = nn.SequentialCell(nn.Conv2d(3, 8, 3), nn.ReLU())  # pad_mode="same"
        self.layer1 = nn.SequentialCell(BasicBlock(8, 8), BasicBlock(8, 16, stride=2))
        self.layer2 = nn.CellList([BasicBlock(16, 12, dilation=2)])
        self.head = nn.Conv2d(12, 5, 3)

    def construct(self, x):
        x = self.layer1(self.stem(x))
        for block in self.layer2:
            x = block(x)
        return self.head(x)


BLOCKS = [f"{block}.conv{i}" for block in ("layer1.0", "layer1.1", "layer2.0") for i in (1, 2)]
HEADS_REASON = "out_channels must be a multiple of num_heads, got 5 and 4."


@pytest.fixture
def images(rng):
    return Tensor(rng.normal(size=(2, 3, 11, 9)).astype(np.float32))


def types(network):
    return {name: type(cell) for name, cell in network.cells_and_names()}


def test_all_3x3_convolutions_are_replaced_and_the_shapes_stay(images, mode):
    network = BasicResNet()
    shape = network(images).shape  # compiled once before
    result = replace_conv(network, kernel_size=3)
    assert result.replaced == ("stem.0", *BLOCKS)
    assert result.skipped == {"head": HEADS_REASON}
    assert network(images).shape == shape == (2, 5, 6, 5)
    found = types(network)
    assert all(found[name] is ACmix for name in result.replaced)
    assert found["layer1.1.shortcut.0"] is nn.Conv2d


def test_channels_stride_and_dilation_are_those_of_the_convolution():
    network = BasicResNet()
    replace_conv(network, kernel_size=5, num_heads=2)
    strided, dilated = network.layer1[1].conv1, network.layer2[0].conv2
    assert (strided.in_channels, strided.out_channels) == (8, 16)
    assert (strided.attention.stride, strided.attention.dilation) == (2, 1)
    assert (strided.conv_path.stride, strided.conv_path.dilation) == (2, 1)
    assert (dilated.attention.dilation, dilated.conv_path.dilation) == (2, 2)
    assert dilated.attention.kernel_size == 5
    assert dilated.num_heads == 2


def test_parameters_carry_the_names_of_their_place(tmp_path):
    network, other = BasicResNet(), BasicResNet()
    for net in (network, other):
        replace_conv(net, r"^layer", kernel_size=3)
    names = {parameter.name: path for path, parameter in network.parameters_and_names()}
    assert len(names) == len(list(network.parameters_and_names()))
    assert names["layer1.1.conv1.qkv.weight"] == "layer1.1.conv1.qkv.weight"
    assert all(name == path for name, path in names.items())
    ms.save_checkpoint(network, str(tmp_path / "net.ckpt"))
    missing, extra = ms.load_param_into_net(other, ms.load_checkpoint(str(tmp_path / "net.ckpt")))
    assert missing == extra == []
    kernel = [get_value(net.layer2[0].conv1.qkv.weight) for net in (network, other)]
    np.testing.assert_array_equal(*kernel)


def test_every_new_parameter_learns(images):
    network = BasicResNet().set_train()
    replace_conv(network, r"layer1\.1", kernel_size=3)
    assert network.layer1[1].conv1.training
    weights = ms.ParameterTuple(network.trainable_params())

    def loss(x):
        return ops.square(network(x)).mean()

    step = ms.value_and_grad(loss, None, weights)
    gradients = dict(zip([w.name for w in weights], step(images)[1], strict=True))
    new = [name for name in gradients if "layer1.1.conv" in name]
    assert len(new) == 2 * 8
    for name in new:
        # This bias cancels within the softmax.
        if not name.endswith("position_bias"):
            assert np.abs(gradients[name].asnumpy()).max() > 0, name


def test_dry_run_only_tells():
    network = BasicResNet()
    before = types(network)
    result = replace_conv(network, dry_run=True)
    assert types(network) == before
    assert str(result).splitlines() == [
        "stem.0: replaced",
        *[f"{name}: replaced" for name in BLOCKS],
        f"head: kept, {HEADS_REASON}",
    ]


def test_predicate_chooses_by_name_and_cell():
    result = replace_conv(
        BasicResNet(), lambda name, conv: conv.in_channels == 8 and "conv" in name, dry_run=True
    )
    assert result.replaced == ("layer1.0.conv1", "layer1.0.conv2", "layer1.1.conv1")


@pytest.mark.parametrize(
    ("conv", "reason"),
    [
        (nn.Conv2d(4, 4, 1), "its kernel is 1x1"),
        (nn.Conv2d(4, 4, 3, group=2), "it has 2 groups"),
        (nn.Conv2d(4, 4, 3, stride=(1, 2)), "its stride differs"),
        (nn.Conv2d(4, 4, 3, pad_mode="valid"), "smaller than its input"),
        (nn.Conv2d(4, 4, 3, pad_mode="pad", padding=1, dilation=2), "smaller than its input"),
    ],
)
def test_convolutions_without_a_twin_are_kept_with_the_reason(conv, reason):
    network = nn.SequentialCell(nn.Conv2d(4, 4, 3), conv)
    result = replace_conv(network, r"\d")
    assert result.replaced == ("0",)
    assert reason in result.skipped["1"]
    assert network[1] is conv


def test_a_convolution_used_twice_stays_one():
    shared = nn.Conv2d(4, 4, 3)
    network = nn.SequentialCell(shared, nn.ReLU(), nn.SequentialCell(shared))
    replace_conv(network)
    assert isinstance(network[0], ACmix)
    assert network[2][0] is network[0]


def test_a_subclass_may_compute_something_else():
    class Scaled(nn.Conv2d):
        pass

    with pytest.raises(UserError, match="chooses no convolution"):
        replace_conv(nn.SequentialCell(Scaled(4, 4, 3)))


@pytest.mark.parametrize(
    ("where", "arguments", "message"),
    [
        ("^nothing", {}, "where='\\^nothing' chooses no convolution of a BasicResNet"),
        ("(", {}, "not a regular expression"),
        ("shortcut", {}, r"layer1\.0\.shortcut\.0: kept, its kernel is 1x1"),
        (None, {"stride": 2}, "leave stride out"),
        (None, {"attention": "window"}, "works on tokens"),
        (None, {"kernel_sice": 3}, "takes no argument 'kernel_sice'.*Did you mean 'kernel_size'"),
    ],
)
def test_what_cannot_be_done_is_told_and_nothing_is_changed(where, arguments, message):
    network = BasicResNet()
    before = types(network)
    with pytest.raises(UserError, match=message):
        replace_conv(network, where, **arguments)
    assert types(network) == before


def test_it_is_part_of_the_package():
    assert "replace_conv" in acmix.__all__


class Pyramid(nn.Cell):
    """One convolution for all levels, also under an attribute, and one with a tied weight."""

    def __init__(self):
        super().__init__()
        conv = nn.Conv2d(8, 8, 3)
        self.levels = nn.CellList([conv, conv, conv])
        self.alone = nn.Conv2d(8, 8, 3)
        self.tied = nn.Conv2d(8, 8, 3)
        self.again = nn.Conv2d(8, 8, 3)
        self.again.weight = self.tied.weight
        self.last = conv

    def construct(self, x):
        for level in self.levels:
            x = level(x)
        return self.last(self.again(self.tied(self.alone(x))))


def test_a_convolution_of_several_places_stays_one(rng):
    network = Pyramid()
    result = replace_conv(network)
    assert result.replaced == ("levels.0", "alone")
    assert "levels.0, levels.1, levels.2, last: replaced, one Cell as before" in str(result)
    shared = network.levels[0]
    assert isinstance(shared, ACmix)
    assert network.levels[1] is network.levels[2] is network.last is shared
    names = [parameter.name for parameter in network.get_parameters()]
    assert len(names) == len(set(names))
    assert network(Tensor(rng.normal(size=(1, 8, 6, 6)).astype(np.float32))).shape == (1, 8, 6, 6)


def test_any_of_its_names_chooses_a_shared_convolution():
    network = Pyramid()
    assert replace_conv(network, r"^last$").replaced == ("levels.0",)
    assert isinstance(network.levels[2], ACmix)


def test_convolutions_with_one_weight_are_kept_with_the_reason():
    result = replace_conv(Pyramid(), dry_run=True)
    assert set(result.skipped) == {"tied", "again"}
    assert "shares tied.weight with tied, again" in result.skipped["again"]


@pytest.mark.parametrize("level", ["O1", "O2", "O3", "auto"])
def test_every_level_of_mindspores_mixed_precision_takes_the_operator(
    level, rng, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)  # O1 writes its source code into the working folder
    ms.set_context(mode=ms.GRAPH_MODE)
    x = Tensor(rng.normal(size=(1, 8, 6, 6)).astype(np.float32))
    network = nn.SequentialCell(nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
    replace_conv(network, num_heads=2)
    expected = network(x).asnumpy()
    mixed = ms.amp.auto_mixed_precision(network, level)
    assert np.abs(mixed(x).asnumpy() - expected).max() < 0.02


@pytest.mark.parametrize("shape", [(None, 8, None, None), (1, 8, 6, None)])
def test_open_height_and_width_are_refused_with_the_remedy(shape, rng):
    ms.set_context(mode=ms.GRAPH_MODE)
    layer = ACmix(8, num_heads=2)
    layer.set_inputs(Tensor(shape=shape, dtype=ms.float32))
    with pytest.raises(Exception, match="Height and width must be known when a graph is compiled"):
        layer(Tensor(rng.normal(size=(1, 8, 6, 6)).astype(np.float32)))


def test_an_open_batch_is_taken(rng):
    ms.set_context(mode=ms.GRAPH_MODE)
    layer = ACmix(8, num_heads=2)
    layer.set_inputs(Tensor(shape=(None, 8, 6, 6), dtype=ms.float32))
    for batch in (1, 3):
        x = Tensor(rng.normal(size=(batch, 8, 6, 6)).astype(np.float32))
        assert layer(x).shape == x.shape

"""Dropping of branches and of channels."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn

from acmix.errors import UserError
from acmix.export import fuse
from acmix.layers.drop_path import DropChannels, Dropout, DropPath
from acmix.utils.parameters import get_value, set_value


def test_branches_keep_their_expectation():
    ms.set_seed(1)
    layer = DropPath(0.25).set_train()
    out = layer(Tensor(np.ones((4000, 1, 2), np.float32))).asnumpy()
    kept = out[:, 0, 0] > 0
    assert kept.mean() == pytest.approx(0.75, abs=0.03)
    np.testing.assert_allclose(out[kept], 1 / 0.75, rtol=1e-6)


def test_whole_channels_are_dropped_each_by_itself(mode):
    ms.set_seed(1)
    layer = DropChannels(0.25).set_train()
    out = layer(Tensor(np.ones((40, 50, 2, 3), np.float32))).asnumpy()
    first = out[:, :, :1, :1]
    np.testing.assert_array_equal(out, np.broadcast_to(first, out.shape))
    kept = first[:, :, 0, 0] > 0
    assert kept.mean() == pytest.approx(0.75, abs=0.04)
    assert 0 < kept.mean(0).min() < kept.mean(0).max()
    assert kept.mean(1).std() > 0
    np.testing.assert_allclose(first[first > 0], 1 / 0.75, rtol=1e-6)


def test_single_numbers_are_dropped_each_by_itself(mode):
    ms.set_seed(1)
    layer = Dropout(0.25).set_train()
    out = layer(Tensor(np.ones((3, 40, 9, 7), np.float32))).asnumpy()
    kept = out > 0
    assert kept.mean() == pytest.approx(0.75, abs=0.02)
    for axis in range(4):
        along = np.moveaxis(kept, axis, 0).reshape(kept.shape[axis], -1)
        assert np.abs(np.corrcoef(along[:-1].ravel(), along[1:].ravel())[0, 1]) < 0.05
    np.testing.assert_allclose(out[kept], 1 / 0.75, rtol=1e-6)


@pytest.mark.parametrize("cls", [DropPath, DropChannels, Dropout])
def test_a_restored_state_draws_the_same_again(cls):
    ms.set_context(mode=ms.PYNATIVE_MODE)
    layer = cls(0.5).set_train()
    x = Tensor(np.ones((30, 4, 2, 2), np.float32))
    state = get_value(layer.random_state)
    first, second = layer(x).asnumpy(), layer(x).asnumpy()
    assert (first != second).any()
    set_value(layer.random_state, state)
    np.testing.assert_array_equal(layer(x).asnumpy(), first)


@pytest.mark.parametrize("cls", [DropPath, DropChannels, Dropout])
def test_nothing_is_dropped_but_in_training(cls):
    ms.set_context(mode=ms.PYNATIVE_MODE)
    x = Tensor(np.ones((30, 4, 2, 2), np.float32))
    np.testing.assert_array_equal(cls(0.5).set_train(False)(x).asnumpy(), x.asnumpy())
    np.testing.assert_array_equal(cls(0.0).set_train()(x).asnumpy(), x.asnumpy())
    assert isinstance(fuse(nn.SequentialCell(cls(0.5)))[0], nn.Identity)


@pytest.mark.parametrize(
    ("cls", "name"), [(DropPath, "drop_path_rate"), (DropChannels, "dropout"), (Dropout, "dropout")]
)
@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_rates_are_checked(cls, name, rate):
    with pytest.raises(UserError, match=f"{name} must be at least 0 and below 1, got {rate}"):
        cls(rate)

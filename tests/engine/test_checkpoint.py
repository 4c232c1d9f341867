"""Checkpoints: plain for MindSpore, complete for resuming, never half-written, damage found."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Parameter, Tensor, amp, nn

from acmix.config import OptimConfig
from acmix.engine.checkpoint import (
    CheckpointFolder,
    Progress,
    latest_checkpoint,
    load_weights,
    read_checkpoint,
    save_checkpoint,
    training_state,
)
from acmix.engine.ema import ExponentialMovingAverage
from acmix.engine.optim import create_optimizer
from acmix.errors import UserError
from acmix.utils.parameters import load_values, set_value


@pytest.fixture
def network():
    return nn.SequentialCell(nn.Dense(3, 2), nn.BatchNorm1d(2))


@pytest.fixture
def state(network):
    optimizer = create_optimizer(network, OptimConfig(name="adamw"))
    ema = ExponentialMovingAverage(network, 0.9)
    return training_state(network, optimizer, ema, amp.DynamicLossScaler(1024.0, 2, 10))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.ckpt"


def test_state_holds_model_optimizer_average_and_scaler_but_not_the_learning_rate(network, state):
    model = {parameter.name for parameter in network.get_parameters()}
    trained = {parameter.name for parameter in network.trainable_params()}
    assert set(state) == (
        model
        | {f"ema/{name}" for name in model}
        | {f"optimizer/{moment}_moment.{n}" for n in trained for moment in ("first", "second")}
        | {"optimizer/global_step", "scaler/scale_value", "scaler/counter"}
    )


def test_what_was_saved_is_read_back_exactly(state, path, rng):
    for parameter in state.values():
        if parameter.dtype == ms.float32:
            set_value(parameter, rng.normal(size=parameter.shape))
    progress = Progress(epoch=3, step=120, best=0.1, best_epoch=2, seed=7, steps_per_epoch=40)
    save_checkpoint(path, state, progress)
    tensors, read = read_checkpoint(path)
    assert read == progress  # 0.1 would not survive as one of MindSpore's own floats
    assert set(tensors) == set(state)
    for name, parameter in state.items():
        assert tensors[name].dtype == parameter.asnumpy().dtype
        np.testing.assert_array_equal(tensors[name], parameter.asnumpy())
    assert path.stat().st_mode & 0o200, "the owner must be able to remove it anywhere"


def test_mindspore_loads_it_into_a_plain_network(network, state, path):
    set_value(network[0].weight, np.full((2, 3), 0.25))
    save_checkpoint(path, state, Progress())
    plain = nn.SequentialCell(nn.Dense(3, 2), nn.BatchNorm1d(2))
    missing, _ = ms.load_param_into_net(plain, ms.load_checkpoint(str(path)))
    assert missing == []
    assert (plain[0].weight.asnumpy() == 0.25).all()


@pytest.mark.parametrize(("average", "expected"), [(True, 2.0), (False, 1.0)])
def test_weights_are_the_average_unless_the_raw_ones_are_asked_for(
    network, state, path, average, expected
):
    set_value(state["0.weight"], np.full((2, 3), 1.0))
    set_value(state["ema/0.weight"], np.full((2, 3), 2.0))
    save_checkpoint(path, state, Progress())
    weights = load_weights(path, average=average)
    assert (weights["0.weight"] == expected).all()
    assert set(weights) == {parameter.name for parameter in network.get_parameters()}


def test_weights_without_an_average_are_the_raw_ones(network, path):
    save_checkpoint(path, {p.name: p for p in network.get_parameters()}, Progress())
    np.testing.assert_array_equal(load_weights(path)["0.weight"], network[0].weight.asnumpy())


def test_plain_mindspore_checkpoint_gives_weights_but_cannot_be_resumed(network, path):
    ms.save_checkpoint(network, str(path))
    assert set(load_weights(path)) == {p.name for p in network.get_parameters()}
    with pytest.raises(UserError, match=r"no training run.*model\.pretrained"):
        read_checkpoint(path)


@pytest.mark.parametrize("damage", ["truncated", "empty", "flipped", "text"])
def test_damaged_file_is_named(state, path, damage):
    save_checkpoint(path, state, Progress())
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(
        {
            "truncated": whole[:middle],
            "empty": b"",
            "flipped": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
            "text": b"not a checkpoint",
        }[damage]
    )
    with pytest.raises(UserError, match=r"a\.ckpt is damaged"):
        read_checkpoint(path)


def test_missing_file_is_named(path):
    with pytest.raises(UserError, match=r"no checkpoint .*a\.ckpt"):
        load_weights(path)


def test_interrupted_write_leaves_the_old_file_and_no_debris(state, path, monkeypatch):
    save_checkpoint(path, state, Progress(epoch=1))

    def write_half(parameters, target, **kwargs):
        with open(target, "wb") as file:
            file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(ms, "save_checkpoint", write_half)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(path, state, Progress(epoch=2))
    assert read_checkpoint(path)[1].epoch == 1
    assert [entry.name for entry in path.parent.iterdir()] == ["a.ckpt"]


def test_all_misfits_of_another_network_are_in_one_error(state, path):
    save_checkpoint(path, state, Progress())
    other = nn.SequentialCell(nn.Dense(4, 2), nn.LayerNorm((2,)))
    wanted = {parameter.name: parameter for parameter in other.get_parameters()}
    with pytest.raises(UserError) as error:
        load_values(wanted, load_weights(path), str(path))
    message = str(error.value)
    assert "unexpected: 1.moving_mean, 1.moving_variance" in message
    assert "0.weight ((2, 3) instead of (2, 4))" in message


def tiny_state():
    return {"w": Parameter(Tensor([1.0], ms.float32), name="w")}


def save_epochs(folder, epochs, best=()):
    best_epoch = None
    for epoch in epochs:
        best_epoch = epoch if epoch in best else best_epoch
        folder.save(tiny_state(), Progress(epoch=epoch, best_epoch=best_epoch))


def test_folder_keeps_the_newest_the_last_and_the_best(tmp_path):
    folder = CheckpointFolder(tmp_path / "checkpoints", keep=2)
    save_epochs(folder, range(1, 6), best=(1, 2))
    names = sorted(entry.name for entry in folder.path.iterdir())
    assert names == ["best.ckpt", "epoch_0004.ckpt", "epoch_0005.ckpt", "last.ckpt"]
    assert read_checkpoint(folder.path / "best.ckpt")[1].epoch == 2
    assert read_checkpoint(folder.path / "last.ckpt")[1].epoch == 5


def test_latest_is_by_number_not_by_name(tmp_path):
    assert latest_checkpoint(tmp_path) is None
    folder = CheckpointFolder(tmp_path / "checkpoints", keep=9)
    save_epochs(folder, (9999, 10000))
    assert latest_checkpoint(tmp_path).name == "epoch_10000.ckpt"


def test_drop_after_removes_the_newer_epochs_only(tmp_path):
    folder = CheckpointFolder(tmp_path, keep=9)
    save_epochs(folder, (1, 2, 3))
    folder.drop_after(2)
    assert folder.latest().name == "epoch_0002.ckpt"


def test_folder_works_without_hard_links(tmp_path, monkeypatch):
    def refuse(*args):
        raise OSError

    monkeypatch.setattr("os.link", refuse)
    folder = CheckpointFolder(tmp_path, keep=1)
    save_epochs(folder, (1,), best=(1,))
    assert read_checkpoint(tmp_path / "best.ckpt")[1].epoch == 1

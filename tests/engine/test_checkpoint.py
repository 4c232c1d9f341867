"""Checkpoints: plain for MindSpore, complete for resuming, never half-written, damage found."""

import mindspore as ms
import numpy as np
import pytest
from mindspore import Parameter, Tensor, amp, nn

from acmix.config import OptimConfig
from acmix.engine.checkpoint import (
    Progress,
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
    progress = Progress(epoch=3, step=120, best=0.1, best_step=80, seed=7, steps_per_epoch=40)
    save_checkpoint(path, state, progress)
    tensors, read = read_checkpoint(path)[:2]
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


@pytest.fixture
def written(path):
    """A checkpoint small enough to damage it everywhere, and its content."""
    save_checkpoint(path, {"w": Parameter(Tensor([1.0, 2.0]), name="w")}, Progress(epoch=1))
    return path, path.read_bytes()


def test_file_cut_short_anywhere_is_damaged(written):
    path, whole = written
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(UserError, match=r"a\.ckpt (is damaged|is empty|holds weights but no)"):
            read_checkpoint(path)


def test_byte_flipped_anywhere_is_damaged(written, rng):
    path, whole = written
    for at, bit in enumerate(rng.integers(0, 8, len(whole))):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << bit)]) + whole[at + 1 :])
        with pytest.raises(UserError, match=r"a\.ckpt is damaged"):
            read_checkpoint(path)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"\0" * 4096])
def test_what_is_no_checkpoint_is_named(path, content):
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.ckpt (is damaged|is empty|holds weights but no)"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    "content",
    [
        '{"epoch": 1, "world": 2}', '{"epoch": "1"}', '{"step": null}', "[]", "7", "[" * 100_000,
        '{"pending": 1}', '{"evaluated": null}', '{"best_step": 1.5}',
        '{"best_epoch": "9", "steps_per_epoch": 1000000000}',
    ],
)  # fmt: skip
def test_progress_of_another_version_is_told(path, monkeypatch, content):
    monkeypatch.setattr("acmix.engine.checkpoint.json.dumps", lambda progress: content)
    save_checkpoint(path, {"w": Parameter(Tensor([1.0]), name="w")}, Progress())
    with pytest.raises(UserError, match=r"a\.ckpt holds the progress of another version"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("note", "expected"),
    [
        (
            {"epoch": 3, "step": 12, "best": 0.5, "best_epoch": 2, "steps_per_epoch": 4,
             "evaluated": 2},
            Progress(3, 12, 0.5, best_step=8, steps_per_epoch=4, pending=True),
        ),
        (
            {"epoch": 3, "step": 12, "best": None, "best_epoch": None, "steps_per_epoch": 4,
             "evaluated": 3},
            Progress(3, 12, steps_per_epoch=4),
        ),
        (
            {"epoch": 3, "step": 14, "best": 0.5, "best_epoch": 1, "steps_per_epoch": 4,
             "position": 16},
            Progress(3, 14, 0.5, best_step=4, steps_per_epoch=4, position=16),
        ),
        ({"epoch": 1, "step": 4, "pending": True}, Progress(1, 4, pending=True)),
    ],
    ids=["evaluation outstanding", "evaluated", "before evaluations were recorded", "present"],
)  # fmt: skip
def test_progress_of_earlier_versions_is_read_in_steps(note, expected):
    assert Progress.from_dict(note) == expected


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

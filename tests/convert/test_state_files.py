"""Files of weights: what goes in comes out, and nothing that is not a tensor is ever loaded."""

import importlib.util
import pickle
import zipfile

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from acmix.convert import files, read_state, write_state
from acmix.errors import UserError

needs_torch = pytest.mark.skipif(
    importlib.util.find_spec("torch") is None, reason="torch is not installed"
)


@pytest.fixture
def state(rng):
    return {
        "layer.weight": rng.normal(size=(3, 2)).astype(np.float32),
        "layer.half": rng.normal(size=4).astype(np.float16),
        "counter": np.array(7, np.int64),
    }


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)
        assert found[name].dtype == value.dtype


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_what_is_written_is_read_bit_by_bit(state, tmp_path, suffix):
    write_state(state, tmp_path / f"state{suffix}")
    assert_same(read_state(tmp_path / f"state{suffix}"), state)


def test_a_transposed_view_is_written_in_its_own_order(tmp_path, rng):
    view = rng.normal(size=(2, 3)).T
    write_state({"view": view}, tmp_path / "state.safetensors")
    np.testing.assert_array_equal(load_file(tmp_path / "state.safetensors")["view"], view)


def test_pickled_objects_in_npz_are_refused(tmp_path):
    file = tmp_path / "state.npz"
    np.savez(file, weight=np.array([{"a": 1}], dtype=object))
    with pytest.raises(UserError, match=r"'weight' is not an array of numbers .*type \|O"):
        read_state(file)


def test_text_in_npz_is_not_a_weight(tmp_path):
    np.savez(tmp_path / "state.npz", weight=np.array(["text"]))
    with pytest.raises(UserError, match="'weight' is not an array of numbers"):
        read_state(tmp_path / "state.npz")


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize("damage", ["cut", "garbage", "empty"])
def test_a_damaged_file_is_told_as_such(state, tmp_path, suffix, damage):
    file = tmp_path / f"state{suffix}"
    write_state(state, file)
    content = file.read_bytes()
    file.write_bytes({"cut": content[:-30], "garbage": b"\x93" * 500, "empty": b""}[damage])
    said = "empty" if damage == "empty" else "damaged"
    with pytest.raises(UserError, match=f"{file.name} is {said}"):
        read_state(file)


def test_bfloat16_becomes_float32(tmp_path):
    header = b'{"a":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}'
    values = np.array([1.5, -2], np.float32).view(np.uint16)[1::2].tobytes()  # the upper halves
    content = len(header).to_bytes(8, "little") + header + values
    (tmp_path / "state.safetensors").write_bytes(content)
    found = read_state(tmp_path / "state.safetensors")
    assert_same(found, {"a": np.array([1.5, -2], np.float32)})


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"none\.npz: No such file"):
        read_state(tmp_path / "none.npz")


def test_a_header_that_promises_more_than_there_is_allocates_nothing(tmp_path):
    np.save(tmp_path / "weight.npy", np.zeros(4, np.float32))
    content = (tmp_path / "weight.npy").read_bytes().replace(b"(4,), }", b"(4" + b"0" * 13 + b",)}")
    with zipfile.ZipFile(tmp_path / "state.npz", "w") as archive:
        archive.writestr("weight.npy", content)
    with pytest.raises(UserError, match="damaged"):
        read_state(tmp_path / "state.npz")


@needs_torch
def test_tensors_of_torch_are_read_from_a_training_checkpoint(state, tmp_path):
    import torch

    tensors = {f"module.{name}": torch.tensor(value) for name, value in state.items()}
    tensors["module.brain"] = torch.tensor([1.0, 1.5], dtype=torch.bfloat16)
    torch.save({"state_dict": tensors, "epoch": 3}, tmp_path / "state.pth")
    expected = {**state, "brain": np.array([1, 1.5], np.float32)}
    assert_same(read_state(tmp_path / "state.pth"), expected)


@needs_torch
@pytest.mark.parametrize("legacy", [False, True])
def test_a_malicious_pickle_is_refused_and_not_run(tmp_path, legacy):
    import torch

    trace = tmp_path / "executed"
    file = tmp_path / "state.pth"
    if legacy:
        file.write_bytes(pickle.dumps(_Malicious(str(trace))))
    else:
        torch.save({"model": _Malicious(str(trace))}, file)
    with pytest.raises(UserError, match=r"hostile: .* would call (_io|io)\.open .*never loaded"):
        read_state(file)
    assert not trace.exists()
    with open(file, "rb") as content:  # it would have run
        pickle.load(content) if legacy else torch.load(file, weights_only=False)  # noqa: S301
    assert trace.exists()


class _Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("name", ["state.pth", "state.ckpt", "state"])
def test_other_formats_are_not_written(tmp_path, name):
    with pytest.raises(UserError, match=r"written as \.safetensors or \.npz"):
        write_state({}, tmp_path / name)


def test_an_old_file_stays_when_writing_fails(state, tmp_path, monkeypatch):
    file = tmp_path / "state.safetensors"
    save_file(state, file)

    def fail(*arguments):
        raise OSError("no space left on device")

    monkeypatch.setattr(files, "save", fail)
    with pytest.raises(OSError, match="no space"):
        write_state({"other": np.ones(2)}, file)
    assert_same(load_file(file), state)
    assert [path.name for path in tmp_path.iterdir()] == [file.name]

"""Weights and checkpoints of any bytes are read or refused with a message, and never lost."""

import pickle

import numpy as np
import pytest
from damages import answer_or_clear_error, answer_or_error, damaged, sealed
from fuzz_pickles import CONTENTS, NAMES, programs
from hypothesis import given
from hypothesis import strategies as st
from mindspore import Parameter, Tensor
from mindspore.train.checkpoint_pb2 import Checkpoint
from torch_files import Call, Files

from acmix.convert import official_state, read_state, write_state
from acmix.engine import CheckpointFolder, is_mindspore_file, load_weights, save_weights
from acmix.engine.checkpoint import Progress, read_checkpoint, save_checkpoint
from acmix.errors import UserError
from acmix.models.pvt import PVT
from acmix.models.resnet import ResNet
from acmix.models.san import SAN
from acmix.models.swin import Swin

STATE = {"layer.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "count": np.array([7])}


NAME = st.text(st.characters(exclude_categories=["Cs"]), max_size=3)
VALUES = st.fixed_dictionaries(
    {"tag": st.sampled_from(["w", "ema/w", "acmix_progress", ""]) | NAME},
    optional={
        "tensor": st.fixed_dictionaries(
            {},
            optional={
                "dims": st.lists(st.integers(0, 4) | st.integers(-(2**63), 2**63 - 1), max_size=3),
                "tensor_type": st.sampled_from(["Float32", "Bool", "str", "BFloat16", "Int4", "x"]),
                "tensor_content": st.binary(max_size=20),
            },
        ),
        "maptensor": st.just({}),
    },
)
FOREIGN = ["ours.safetensors", "theirs.safetensors", "good.npz", "good.pth", "good.tar", "good.pkl"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights")
    (folder / "neighbour").write_text("untouched")
    return folder


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    """One good file of every kind, by suffix; ``ours.safetensors`` is MindSpore's."""
    good = tmp_path_factory.mktemp("good")
    parameters = {name: Parameter(Tensor(value), name=name) for name, value in STATE.items()}
    save_checkpoint(good / "good.ckpt", parameters, Progress(epoch=2, step=20))
    save_weights(good / "ours.safetensors", parameters)
    write_state(STATE, good / "theirs.safetensors")
    write_state(STATE, good / "good.npz")
    (good / "good.pkl").write_bytes(pickle.dumps(STATE))
    files = Files()
    nested = {"epoch": 3, "args": Call("argparse", "Namespace", state={"lr": 0.1})}
    nested["model"] = {f"module.{name}": value for name, value in files.tensors(STATE).items()}
    (good / "good.pth").write_bytes(files.archive(nested))
    (good / "good.tar").write_bytes(files.legacy(nested))
    return {path.name: path.read_bytes() for path in good.iterdir()}


def assert_arrays_or_error(call, file):
    found = answer_or_clear_error(call, file)
    if found is not None:
        assert all(isinstance(value, np.ndarray) for value in found.values())
    return found


def tensors_for_swin(path):
    """Read a file as workflows do: by its content, ours or PyTorch's."""
    if is_mindspore_file(path):
        return load_weights(path)
    return official_state(Swin, read_state(path)).state


def assert_good_or_error(call, file):
    found = assert_arrays_or_error(call, file)
    if found is not None:
        assert found.keys() == STATE.keys()
        for name, value in STATE.items():
            np.testing.assert_array_equal(found[name], value)


@given(data=st.data())
def test_damaged_checkpoint_is_never_taken_for_another(folder, contents, data):
    file = folder / "a.ckpt"
    file.write_bytes(data.draw(damaged(contents["good.ckpt"])))
    assert_good_or_error(lambda path: read_checkpoint(path)[0], file)


@given(data=st.data())
def test_made_up_checkpoint_with_a_crc_that_fits(folder, contents, data):
    file = folder / "a.ckpt"
    file.write_bytes(sealed(data.draw(damaged(contents["good.ckpt"][:-17]))))
    assert_arrays_or_error(lambda path: read_checkpoint(path)[0], file)
    assert_arrays_or_error(load_weights, file)


@given(data=st.data())
@pytest.mark.parametrize("name", FOREIGN)
def test_damaged_weights(folder, contents, name, data):
    file = folder / name
    file.write_bytes(data.draw(damaged(contents[name]) | st.binary(max_size=60)))
    assert_arrays_or_error(tensors_for_swin, file)
    assert_arrays_or_error(read_state, file)
    if name == "ours.safetensors":
        assert_arrays_or_error(load_weights, file)


@given(data=st.data())
@pytest.mark.parametrize("name", FOREIGN)
def test_content_decides_whatever_the_suffix(folder, contents, name, data):
    suffix = data.draw(st.sampled_from([".pth", ".pt", ".bin", ".ckpt", ".tar", ".npz", ".x", ""]))
    file = folder / f"a{suffix}"
    file.write_bytes(contents[name])
    assert_good_or_error(read_state, file)
    file.unlink()


@given(file_values=st.lists(VALUES, max_size=4), crc=st.booleans(), tail=st.binary(max_size=4))
def test_any_values_of_a_checkpoint(folder, file_values, crc, tail):
    content = Checkpoint(value=file_values).SerializePartialToString() + tail
    file = folder / "a.ckpt"
    file.write_bytes(sealed(content) if crc else content)
    assert_arrays_or_error(load_weights, file)


@given(content=CONTENTS, legacy=st.booleans(), key=st.none() | st.text(max_size=6))
def test_any_content_of_a_file_of_torch(folder, content, legacy, key):
    files, content = content
    file = folder / "a.pth"
    file.write_bytes(files.legacy(content) if legacy else files.archive(content))
    assert_arrays_or_error(lambda path: read_state(path, key), file)


@given(program=programs())
def test_any_program_of_a_pickle(folder, program):
    file = folder / "a.pkl"
    file.write_bytes(program)
    assert_arrays_or_error(read_state, file)


@given(tree=NAMES)
@pytest.mark.parametrize("model", [Swin, PVT, ResNet, SAN], ids=lambda model: model.__name__)
def test_any_names_are_official_or_refused(model, tree):
    state = {name: np.zeros(shape, np.float32) for name, shape in tree.items()}
    official, error = answer_or_error(official_state, model, state)
    assert error or len(official.state) <= len(state)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Three checkpoints, the manifest, and their contents."""
    run = CheckpointFolder(tmp_path_factory.mktemp("run"), keep=3)
    for step in (10, 15, 20):
        state = {"w": Parameter(Tensor([float(step)]), name="w")}
        run.save(state, Progress(epoch=step // 10, step=step, position=step % 10))
    (run.path / "last.ckpt").unlink()
    return run, {path.name: path.read_bytes() for path in run.path.iterdir()}


@given(data=st.data())
def test_newest_undamaged_checkpoint_is_found_whatever_is_damaged(run, data):
    run, good = run
    steps = {"epoch_0002.ckpt": 20, "step_00000015.ckpt": 15, "epoch_0001.ckpt": 10}
    hurt = data.draw(st.sets(st.sampled_from(sorted(good)), min_size=1))
    for name, content in good.items():
        new = data.draw(damaged(content)) if name in hurt else content
        (run.path / name).write_bytes(new)
        if new != content:
            steps.pop(name, None)
    newest = answer_or_clear_error(lambda file: run.to_resume(), run.path / "manifest.json")
    if newest is None:
        assert not steps
    else:
        tensors, progress = read_checkpoint(newest)[:2]
        assert tensors["w"] == [progress.step] == [max(steps.values())]


class _Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("name", ["a.pth", "a.pt", "a.npz", "a.safetensors", "a.ckpt"])
def test_no_code_in_a_file_is_run(folder, name):
    """With or without torch; what torch itself refuses is in test_state_files."""
    trace = folder / "executed"
    (folder / name).write_bytes(pickle.dumps({"weight": _Malicious(str(trace))}))
    for read in (tensors_for_swin, load_weights):
        with pytest.raises(UserError):
            read(folder / name)
    assert not trace.exists()

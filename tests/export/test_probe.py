"""A MindIR file of others is checked, and first loaded in a process that may die."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from mindspore import nn
from mindspore.train.mind_ir_pb2 import ModelProto

from acmix.errors import UserError
from acmix.export import export_model, probe
from acmix.export.formats.mindir import load_network
from acmix.utils.mindir import load_graph

SIDECAR = {
    "task": "classification",
    "model": "conv",
    "classes": [],
    "preprocess": {},
    "post_process": {},
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("export") / "net.mindir"
    network = nn.SequentialCell(nn.Conv2d(3, 4, 3), nn.ReLU())
    export_model(network, path, format="mindir", input_shape=(1, 3, 4, 4), sidecar=SIDECAR)
    return path


@pytest.fixture
def changed(exported, tmp_path, monkeypatch):
    """Return a function that writes a changed copy; no file is remembered."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def write(change):
        model = ModelProto()
        model.ParseFromString(exported.read_bytes())
        change(model)
        (tmp_path / "x.mindir").write_bytes(model.SerializeToString())
        return tmp_path / "x.mindir"

    return write


def parameter(model):
    return model.graph.parameter[0]


CHANGES = {
    "more bytes than the shape": lambda m: parameter(m).__setattr__("raw_data", bytes(4000)),
    "fewer bytes": lambda m: parameter(m).__setattr__("raw_data", bytes(4)),
    "another type": lambda m: parameter(m).__setattr__("data_type", 9),
    "an unknown type": lambda m: parameter(m).__setattr__("data_type", 77),
    "a huge size": lambda m: parameter(m).dims.__setitem__(0, 2**62),
    "a negative size": lambda m: parameter(m).dims.__setitem__(0, -4),
    "numbers in another file": lambda m: parameter(m).external_data.__setattr__(
        "location", "/etc/passwd"
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_tensors_that_do_not_fit_are_refused_before_mindspore_sees_them(
    changed, monkeypatch, change
):
    monkeypatch.setattr(subprocess, "run", None)
    with pytest.raises(UserError, match=r"x\.mindir (is damaged: '.*' has|.*in another file)|: '"):
        load_network(changed(CHANGES[change]))


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (-11, r"x\.mindir ends MindSpore by SIGSEGV: it is damaged or hostile"),
        (-6, r"x\.mindir ends MindSpore by SIGABRT"),
        (3, r"MindSpore cannot load .*x\.mindir: the last line"),
    ],
)
def test_the_death_of_the_process_is_one_line(changed, monkeypatch, code, message):
    done = SimpleNamespace(returncode=code, stderr=b"noise\nthe last line\n")
    monkeypatch.setattr(subprocess, "run", lambda *args, **kwargs: done)
    file = changed(lambda model: None)
    with pytest.raises(UserError, match=message):
        load_network(file)
    with pytest.raises(UserError, match=message):  # it is not remembered as sound
        load_network(file)


def test_the_process_has_a_limit_of_time(changed, monkeypatch):
    monkeypatch.setattr(probe, "TIMEOUT", 0.5)
    monkeypatch.setattr(probe, "_PROGRAM", "import time; time.sleep(60)")
    with pytest.raises(UserError, match=r"MindSpore did not load .*x\.mindir in 0\.5 s"):
        load_network(changed(lambda model: None))


def test_a_sound_file_of_others_is_loaded_and_asked_once(changed, monkeypatch, exported):
    file = changed(lambda model: None)
    calls = []
    run = subprocess.run

    def counted(command, **options):
        calls.append(command)
        return run([sys.executable, "-c", ""], **options)

    monkeypatch.setattr(subprocess, "run", counted)
    images = np.ones((1, 3, 4, 4), np.float32)
    from mindspore import Tensor

    first, second = (load_network(path)(Tensor(images)).asnumpy() for path in (file, file))
    np.testing.assert_array_equal(first, second)
    assert len(calls) == 1
    assert calls[0][-4:] == ["1", "3", "4", "4"]


def test_what_was_exported_here_needs_no_process(exported, monkeypatch):
    monkeypatch.setattr(subprocess, "run", None)
    load_network(exported)


@pytest.mark.exhaustive
def test_a_graph_that_ends_mindspore_is_refused(changed):
    """Without its first input, MindSpore's compiler follows a null pointer."""

    def change(model):
        for node in model.graph.node:
            if node.op_type != "Constant" and node.input:
                del node.input[0]

    with pytest.raises(UserError, match=r"ends MindSpore|cannot load"):
        load_network(changed(change))


def test_a_damaged_graph_is_one_line_for_the_audit(changed):
    def change(model):
        for node in model.graph.node:
            if node.op_type == "Constant":
                del node.attribute[:]

    with pytest.raises(UserError, match=r"x\.mindir is damaged: its graph does not fit together"):
        load_graph(changed(change))

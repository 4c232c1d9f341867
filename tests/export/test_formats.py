"""A new format is one class: no other file changes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from mindspore import Parameter, Tensor, nn

from acmix.errors import UserError
from acmix.export import check_export, export_model, load_exported, read_sidecar
from acmix.export.checked_mindir import write_mindir
from acmix.export.formats import FORMATS, Format, format_of, register_format

SIDECAR = {"task": "classification", "model": "m", "classes": "ab", "preprocess": {},
           "post_process": {}}  # fmt: skip


class Affine(nn.Cell):
    def __init__(self):
        super().__init__()
        self.scale = Parameter(Tensor(np.full((1, 3, 1, 1), 2.0, np.float32)))
        self.shift = Parameter(Tensor(np.ones((1, 3, 1, 1), np.float32)))

    def construct(self, images):
        return images * self.scale + self.shift


class Npz(Format):
    """The parameters of an :class:`Affine`, run by NumPy."""

    name = "npz"
    suffix = ".npz"

    def write(self, network, images, path):
        operators = write_mindir(network, images, path.with_suffix(".mindir"))
        np.savez(path, **{name: p.asnumpy() for name, p in network.parameters_and_names()})
        return operators

    def load_runner(self, path):
        weights = dict(np.load(path))
        return lambda images: images * weights["scale"] + weights["shift"]


@pytest.fixture
def npz():
    register_format(Npz)
    yield FORMATS["npz"]
    del FORMATS["npz"]


def export(path, **changes):
    arguments = {"format": "npz", "input_shape": (2, 3, 4, 4), "sidecar": SIDECAR, **changes}
    return export_model(Affine(), path, **arguments)


@pytest.mark.usefixtures("npz")
def test_a_new_format_is_written_verified_and_loaded_by_the_public_functions(tmp_path):
    path = tmp_path / "net.npz"
    check_export(path, "npz")
    report = export(path, dynamic_batch=True)
    assert (report.format, report.note, report.operators["Mul"]) == ("npz", "", 1)
    assert report.max_abs_diff < 1e-6
    assert {file.name for file in tmp_path.iterdir()} == {"net.npz", "net.npz.json"}
    images = np.random.default_rng(0).standard_normal((5, 3, 4, 4)).astype(np.float32)
    np.testing.assert_allclose(load_exported(path)(images), images * 2 + 1, rtol=1e-6)
    assert read_sidecar(path).format == "npz"


def test_a_new_format_that_computes_something_else_is_not_written(npz, tmp_path, monkeypatch):
    monkeypatch.setattr(npz, "load_runner", lambda path: lambda images: images, raising=False)
    with pytest.raises(UserError, match="the file differs from the network"):
        export(tmp_path / "net.npz")
    assert list(tmp_path.iterdir()) == []


def test_a_new_format_says_what_it_cannot_do(npz, tmp_path, monkeypatch):
    monkeypatch.setattr(npz, "missing_runner", lambda: "pip install a-runner", raising=False)
    monkeypatch.setattr(npz, "dynamic_batch", False, raising=False)
    assert export(tmp_path / "net.npz").note == "not verified: pip install a-runner"
    with pytest.raises(UserError, match="'npz' has fixed shapes only"):
        export(tmp_path / "net.npz", dynamic_batch=True)
    other = "CPU" if ms.get_context("device_target") == "Ascend" else "Ascend"
    monkeypatch.setattr(npz, "only_on", other, raising=False)
    with pytest.raises(UserError, match=f"'npz' can be written on {other} only"):
        check_export(tmp_path / "net.npz", "npz")


def test_a_side_car_of_a_format_that_is_not_registered_any_more_is_refused(tmp_path):
    register_format(Npz)
    try:
        export(tmp_path / "net.npz")
    finally:
        del FORMATS["npz"]
    with pytest.raises(UserError, match=r"'format' must be one of .*, got 'npz'"):
        load_exported(tmp_path / "net.npz")


def test_a_name_and_a_suffix_are_taken_once(npz):
    with pytest.raises(UserError, match="format 'npz' is already"):
        register_format(Npz)
    with pytest.raises(UserError, match=r"suffix '\.npz' is already"):
        register_format(type("Other", (Npz,), {"name": "other"}))
    assert "other" not in FORMATS


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_tells_its_format_by_its_suffix(name):
    assert format_of(Path("net").with_suffix(FORMATS[name].suffix)) is FORMATS[name]


def test_an_unknown_suffix_and_an_unknown_name_come_with_a_suggestion():
    with pytest.raises(UserError, match=r"'\.mindir'"):
        format_of("net.mindr")
    with pytest.raises(UserError, match=r"'onyx' is unknown\. Did you mean 'onnx'"):
        FORMATS["onyx"]


def test_the_command_line_has_the_names_without_importing_mindspore():
    code = (
        "import sys; from acmix.export.formats import FORMATS; "
        "print(*FORMATS, 'mindspore' in sys.modules, 'numpy' in sys.modules)"
    )
    printed = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert printed.split() == ["air", "mindir", "onnx", "False", "False"]


def test_what_atc_reads():
    told = {name: FORMATS[name].atc_options("images", (1, 3, 8, 8)) for name in FORMATS}
    assert told == {
        "air": ["--framework=1", "--input_format=NCHW"],
        "mindir": [],
        "onnx": ["--framework=5", "--input_shape=images:1,3,8,8"],
    }

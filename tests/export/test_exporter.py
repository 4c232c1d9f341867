"""Export and back: the file computes what the network does, and never appears half-made."""

from __future__ import annotations

import json
import os

import mindspore as ms
import numpy as np
import pytest
from mindspore import Tensor, nn, ops

from acmix.errors import UserError
from acmix.export import check_export, export_model, load_exported, read_sidecar, sidecar_path
from acmix.utils.modes import execution_mode

SIDECAR = {
    "task": "classification",
    "model": "tiny",
    "classes": ("cat", "dög"),
    "preprocess": {"size": 8, "mean": [0.5]},
    "post_process": {},
}


class Tiny(nn.Cell):
    """Everything whose meaning changes between training and evaluation, and a norm."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, has_bias=True)
        self.norm = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(p=0.5)
        self.fc = nn.Dense(4, 2)

    def construct(self, x):
        x = ops.relu(self.norm(self.conv(x)))
        return self.fc(self.drop(x).mean((2, 3)))


class Levels(nn.Cell):
    """Two outputs, as a backbone with features_only has."""

    def construct(self, x):
        return x * 2, x.mean((2, 3))


@pytest.fixture
def network():
    return Tiny()


def images(batch=2):
    return np.random.default_rng(1).standard_normal((batch, 3, 8, 8)).astype(np.float32)


def export(network, path, **changes):
    arguments = {"format": "mindir", "input_shape": (2, 3, 8, 8), "sidecar": SIDECAR, **changes}
    return export_model(network, path, **arguments)


def test_mindir_and_back_is_the_evaluated_network(network, tmp_path, mode):
    path = tmp_path / "new" / "net.mindir"
    report = export(network.set_train(True), path)
    assert report.max_abs_diff == 0.0
    assert report.bytes == path.stat().st_size
    assert report.operators["Conv2D"] == 1
    assert "Dropout" not in report.operators
    assert network.training
    expected = network.set_train(False)(Tensor(images())).asnumpy()
    assert np.abs(load_exported(path)(images()) - expected).max() < 1e-6
    assert ms.get_context("mode") == (ms.GRAPH_MODE if mode == "graph" else ms.PYNATIVE_MODE)


NAMES = ["my models/net", "a+b", "网/é", "q'\"#", "new\nline", "caf\udce9/net\udcff", "-%s $X"]


@pytest.mark.parametrize(
    ("name", "format"),
    [
        *((name, "mindir") for name in NAMES),
        *(pytest.param(name, "onnx", marks=pytest.mark.onnx) for name in NAMES[-2:]),
    ],
    ids=ascii,
)
def test_a_file_of_any_name_is_written_and_run(name, format, tmp_path):
    path = tmp_path / f"{name}.{format}"
    export(Levels(), path, format=format)
    double, _ = load_exported(path)(images())
    assert np.array_equal(double, 2 * images())
    assert sorted(tmp_path.rglob("*.*")) == sorted([path, sidecar_path(path)])


def test_side_car_says_how_to_feed_the_network(network, tmp_path):
    export(network, tmp_path / "net.mindir")
    sidecar = load_exported(tmp_path / "net.mindir").sidecar
    assert sidecar.model == "tiny"
    assert sidecar.classes == ("cat", "dög")
    assert sidecar.preprocess == SIDECAR["preprocess"]
    assert (sidecar.input_name, sidecar.input_shape) == ("images", (2, 3, 8, 8))
    assert sidecar.versions["mindspore"] == ms.__version__


def test_files_are_readable_by_others_and_nothing_else_is_left(network, tmp_path):
    umask = os.umask(0o022)
    try:
        export(network, tmp_path / "net.mindir")
    finally:
        os.umask(umask)
    assert {path.name for path in tmp_path.iterdir()} == {"net.mindir", "net.mindir.json"}
    assert [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()] == [0o644, 0o644]


def test_a_second_export_replaces_the_first_and_is_not_a_stale_graph(network, tmp_path):
    path = tmp_path / "net.mindir"
    # ms.export of the Cell itself would answer with this training graph from now on.
    ms.export(network.set_train(True), Tensor(images()), file_name=str(path), file_format="MINDIR")
    network.set_train(False)
    export(network, path)
    network.fc.weight.set_data(network.fc.weight * 3)
    assert export(network, path).max_abs_diff == 0.0


def test_dynamic_batch_takes_any_batch_but_no_other_image_size(network, tmp_path):
    report = export(network, tmp_path / "net.mindir", dynamic_batch=True)
    assert report.max_abs_diff < 1e-6
    predict = load_exported(tmp_path / "net.mindir")
    assert predict.sidecar.input_shape == (None, 3, 8, 8)
    assert predict(images(5)).shape == (5, 2)
    with pytest.raises(UserError, match=r"\(5, 3, 8, 7\) does not fit .*'any', 3, 8, 8"):
        predict(images(5)[..., 1:])


def test_fixed_batch_refuses_another_one(network, tmp_path):
    export(network, tmp_path / "net.mindir")
    with pytest.raises(UserError, match="or with a dynamic batch"):
        load_exported(tmp_path / "net.mindir")(images(3))


def test_fp16_computes_in_half_precision_and_leaves_the_network_alone(network, tmp_path):
    network.fc.to_float(ms.float32)
    full = network.set_train(False)(Tensor(images())).asnumpy()
    report = export(network, tmp_path / "net.mindir", fp16=True)
    assert 0 < report.max_abs_diff < 1e-2
    assert report.operators["Cast"] > 0
    predict = load_exported(tmp_path / "net.mindir")
    assert predict.sidecar.precision == "float16"
    assert predict(images()).dtype == np.float32
    assert network.fc.get_flags()["fp32"]
    assert not network.conv.get_flags()["fp16"]
    with execution_mode(ms.PYNATIVE_MODE):
        assert network.conv(Tensor(images())).dtype == ms.float32
    again = export(network, tmp_path / "full.mindir")
    assert "Cast" not in again.operators
    assert np.array_equal(load_exported(tmp_path / "full.mindir")(images()), full)


def test_several_outputs_come_back_as_a_tuple(tmp_path):
    export(Levels(), tmp_path / "net.mindir")
    double, mean = load_exported(tmp_path / "net.mindir")(images())
    assert np.array_equal(double, images() * 2)
    assert mean.shape == (2, 3)


def test_verification_can_be_left_out_and_says_so(network, tmp_path):
    report = export(network, tmp_path / "net.mindir", verify=False)
    assert report.max_abs_diff is None
    assert report.note == "not verified on request"


class Random(nn.Cell):
    def construct(self, x):
        return ops.dropout(x, p=0.5, training=True)


class BatchStatistics(nn.Cell):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm2d(3, use_batch_statistics=True)

    def construct(self, x):
        return self.norm(x)


@pytest.mark.parametrize(
    ("network", "said"),
    [(Random(), "random operator Dropout"), (BatchStatistics(), "batch statistics")],
    ids=["dropout", "batch-norm"],
)
def test_a_graph_that_trains_in_evaluation_mode_is_refused(network, said, tmp_path):
    syntax = ms.get_context("jit_syntax_level")
    with pytest.raises(UserError, match=said):
        export(network, tmp_path / "net.mindir")
    assert list(tmp_path.iterdir()) == []
    assert ms.get_context("jit_syntax_level") == syntax


def test_nan_weights_are_refused_and_the_older_file_stays(network, tmp_path):
    path = tmp_path / "net.mindir"
    export(network, path)
    before = path.read_bytes(), sidecar_path(path).read_bytes()
    network.fc.bias.set_data(Tensor([np.nan, 0.0], ms.float32))
    with pytest.raises(UserError, match="differs from the network by nan"):
        export(network, path)
    assert (path.read_bytes(), sidecar_path(path).read_bytes()) == before


@pytest.mark.skipif(ms.get_context("device_target") == "Ascend", reason="AIR works there")
def test_air_is_refused_away_from_ascend_before_any_work(tmp_path):
    with pytest.raises(UserError, match="'air' can be written on Ascend only") as caught:
        check_export(tmp_path / "net.air", "air")
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="Ascend only"):
        export(None, tmp_path / "net.air", format="air")


@pytest.mark.parametrize(
    ("name", "format", "said"),
    [("net.mindir", "mindri", "Did you mean 'mindir'"), ("net.ckpt", "mindir", "'.mindir'")],
)
def test_unknown_format_and_wrong_suffix_are_refused(name, format, said, tmp_path):
    with pytest.raises(UserError, match=said):
        check_export(tmp_path / name, format)


def test_a_folder_of_that_name_is_refused(tmp_path):
    (tmp_path / "net.mindir").mkdir()
    with pytest.raises(UserError, match="is a folder"):
        check_export(tmp_path / "net.mindir", "mindir")


@pytest.mark.parametrize(
    ("sidecar", "said"),
    [
        ({"model": "tiny"}, "give exactly"),
        ({**SIDECAR, "sha256": "0"}, "give exactly"),
        ({**SIDECAR, "model": ""}, "'model' must be"),
    ],
)
def test_a_side_car_that_could_not_be_read_back_is_not_written(network, sidecar, said, tmp_path):
    with pytest.raises(UserError, match=said):
        export(network, tmp_path / "net.mindir", sidecar=sidecar)
    assert list(tmp_path.iterdir()) == []


def test_onnx_without_onnxruntime_is_written_but_not_verified(network, tmp_path, monkeypatch):
    monkeypatch.setattr("acmix.export.formats.onnx.find_spec", lambda name: None)
    report = export(network, tmp_path / "net.onnx", format="onnx")
    assert report.max_abs_diff is None
    assert report.note == "not verified: pip install acmix[onnx]"
    assert {path.name for path in tmp_path.iterdir()} == {"net.onnx", "net.onnx.json"}
    with pytest.raises(UserError, match=r"pip install acmix\[onnx\]"):
        load_exported(tmp_path / "net.onnx")


class Resize(nn.Cell):
    def construct(self, x):
        return ops.interpolate(x, size=(16, 16), mode="bilinear")


def test_an_operator_onnx_lacks_is_named(tmp_path):
    with pytest.raises(UserError, match="ResizeBilinearV2") as caught:
        export(Resize(), tmp_path / "net.onnx", format="onnx")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.onnx
@pytest.mark.parametrize("dynamic_batch", [False, True])
def test_onnx_and_back(network, tmp_path, dynamic_batch):
    path = tmp_path / "net.onnx"
    report = export(network, path, format="onnx", dynamic_batch=dynamic_batch)
    assert report.max_abs_diff < 1e-5
    predict = load_exported(path)
    expected = network.set_train(False)(Tensor(images())).asnumpy()
    assert np.abs(predict(images()) - expected).max() < 1e-5
    assert json.loads(sidecar_path(path).read_text())["format"] == "onnx"
    assert read_sidecar(path).dynamic_batch == dynamic_batch

"""What 'acmix bench' measures: forms, back ends, tables, and every contradiction refused."""

from __future__ import annotations

import json
import pickle
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from mindspore import nn
from models import shrunk
from models.detection.small_detector import small_detector
from models.segmentation.small_segmenter import small_segmenter

from acmix.cli import main
from acmix.config import load_config
from acmix.errors import UserError
from acmix.models import create_model
from acmix.models.registry import split_name
from acmix.tasks import TASKS
from acmix.tasks.detection.objective import DetectionInference
from acmix.tools.analysis.count_tables import COUNT_TABLES
from acmix.tools.analysis.paper import SPEED_TABLES
from acmix.tools.bench import backends, models, peak
from acmix.tools.bench.candidates import training_step
from acmix.tools.bench.machine import machine_facts
from acmix.tools.bench.models_report import ModelsReport
from acmix.tools.bench.setting import Setting
from acmix.tools.bench.timing import Timing
from acmix.utils.parameters import get_value
from acmix.utils.target import target_set_to

ROOT = Path(__file__).resolve().parents[3]
QUICK = ["--input-size", "16", "--batch-size", "1", "--warmup", "1", "--repeats", "2"]
TINY_SWIN = {"depths": (1,), "num_heads": (2,), "embed_dim": 8, "window_size": 4, "num_classes": 5}


def tiny_model(name, **changes):
    tiny = TINY_SWIN if "swin" in name else shrunk.shallow(name)
    if "resnet" in name:
        tiny = {"width": 12, "depths": (1,), "num_classes": 5}
    return create_model(name, **{**tiny, **changes})


@pytest.fixture
def tiny(monkeypatch):
    """Every model in its smallest size; products for the peak that take no time."""
    monkeypatch.setattr(peak, "MATMUL_SIZE", 16)
    monkeypatch.setattr(peak, "MAPS", (1, 2, 3, 3))
    monkeypatch.setattr(TASKS["classification"], "create", tiny_model)


@pytest.fixture
def measured(monkeypatch):
    """What would be measured, without measuring."""
    caught = {}

    def catch(candidates, shape, batch_sizes, **options):
        caught.update(options, candidates=candidates, shape=shape, batch_sizes=batch_sizes)

    monkeypatch.setattr(models, "bench_candidates", catch)
    monkeypatch.setattr(models, "trace", lambda network, shape: SimpleNamespace(macs=1))
    monkeypatch.setattr(
        TASKS["detection"],
        "create",
        lambda name, **backbone: small_detector(split_name("detectors", name)[1], backbone),
    )
    monkeypatch.setattr(
        TASKS["segmentation"], "create", lambda name, **backbone: small_segmenter(name, backbone)
    )
    return caught


def bench_json(arguments, tmp_path):
    file = tmp_path / "bench.json"
    assert main(["bench", *arguments, *QUICK, "--json", str(file)]) == 0
    return json.loads(file.read_text())


def test_a_table_of_kernel_variants_is_measured_beside_the_papers_numbers(tiny, tmp_path, capsys):
    content = bench_json(["table", "shift"], tmp_path)
    assert [timing["name"] for timing in content["timings"]] == [
        "tensor shifts",
        "fixed kernels",
        "learned kernels, random start",
        "learned kernels, shifts as start",
    ]
    assert set(content["baselines"].values()) == {"tensor shifts"}
    printed = capsys.readouterr().out
    assert printed.count("| 419 img/s |") == 3
    assert printed.count("| 313 img/s |") == 1
    assert content["probed_peak"][0] > 0


def test_kernel_variants_are_those_of_the_papers_table():
    kernels = [row.arguments["conv_variant"] for row in SPEED_TABLES["shift"].rows]
    assert kernels == ["shift", "fixed", "random", "learnable"]


def test_a_table_of_models_compares_each_twin_with_its_baseline(tiny, measured):
    models.bench_table("models", setting=Setting())
    assert len(measured["candidates"]) == 8
    assert measured["baseline"] == {
        f"acmix_{name}": name for name in ("resnet50", "san19", "pvt_small", "swin_tiny")
    }
    assert measured["shape"] == (3, 224, 224)
    assert measured["batch_sizes"] == (1, 8)


def test_a_table_of_detectors_is_measured_at_the_papers_size_image_by_image(tiny, measured):
    models.bench_table("detectors", setting=Setting())
    assert measured["shape"] == (3, 800, 1333)
    assert measured["batch_sizes"] == (1,)
    assert measured["baseline"]["retinanet_acmix_pvt_small"] == "retinanet_pvt_large"
    assert measured["baseline"]["mask_rcnn_acmix_swin_tiny"] == "mask_rcnn_swin_tiny"
    for row in SPEED_TABLES["detectors"].rows:  # as they are trained
        recipe = load_config(ROOT / "configs" / "detection" / f"{row.name}_1x_coco.yaml")
        assert row.arguments == recipe.model.kwargs


def test_a_table_of_segmenters_is_measured_as_it_is_counted(tiny, measured):
    models.bench_table("segmentation", setting=Setting(), input_size=(64, 128))
    assert measured["shape"] == (3, 64, 128)
    assert measured["baseline"] == {
        f"{head}_acmix_{body}": f"{head}_{body}"
        for head, body in (
            ("semantic_fpn", "pvt_tiny"), ("semantic_fpn", "pvt_small"),
            ("upernet", "swin_tiny"), ("upernet", "swin_small"),
        )
    }  # fmt: skip
    counted = {row.name: row.arguments for row in COUNT_TABLES["segmentation"].rows}
    assert {row.name: row.arguments for row in SPEED_TABLES["segmentation"].rows} == counted
    assert models.default_size("upernet_swin_tiny") == (512, 2048)


def test_of_a_detector_post_processing_is_measured_unless_raw_is_asked_for():
    detector = small_detector()
    factory = models.NetworkFactory(TASKS["detection"], lambda: detector, (3, 32, 32))
    assert isinstance(models._deployed(factory, detector, Setting()), DetectionInference)
    assert models._deployed(factory, detector, Setting(raw=True)) is detector


def test_gain_of_block_measures_both_formulations_and_compares_each_with_itself(tiny, tmp_path):
    content = bench_json(["models", "acmix_swin_tiny", "--gain", "block", "--no-fuse"], tmp_path)
    names = [timing["name"] for timing in content["timings"]]
    assert names == ["acmix_swin_tiny", "acmix_swin_tiny, block"]
    assert content["baselines"] == {"acmix_swin_tiny, block": "acmix_swin_tiny"}
    assert len(set(content["macs"].values())) == 1


def test_gain_of_recomputation_measures_memory_in_processes_of_their_own(
    tiny, measured, monkeypatch
):
    def peak_memory(make, prepare, shape):
        assert pickle.dumps((make, prepare))  # to a new process
        return 1000 * shape[0] + prepare.args[2].recompute

    monkeypatch.setattr(models, "peak_memory", peak_memory)
    report = ModelsReport(machine_facts(), "graph", (3, 16, 16), 1, peak.Peak(1.0, ""), {}, {}, ())
    monkeypatch.setattr(
        models,
        "bench_candidates",
        lambda candidates, *_, **__: replace(
            report, timings=tuple(Timing(name, 2, 1.0, (1.0,)) for name in candidates)
        ),
    )
    found = models.bench_models(["swin_tiny"], setting=Setting(training=True), gain="recompute")
    assert [timing.name for timing in found.timings] == ["swin_tiny", "swin_tiny, recomputed"]
    assert found.memory == (2000, 2001)
    assert ModelsReport.from_json(found.to_json()) == found
    assert "peak MiB" in found.render()


def test_the_two_formulations_are_what_their_names_say(tiny, measured, monkeypatch):
    made = []
    monkeypatch.setattr(
        TASKS["classification"],
        "create",
        lambda name, **a: made.append(a) or tiny_model(name, **a),
    )
    models.bench_models(["acmix_swin_tiny"], setting=Setting(), gain="block")
    assert made == [{"conv_impl": "group"}, {"conv_impl": "block"}]


class Doubled(nn.Cell):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def construct(self, images):
        return 2 * self.network(images)


def test_the_fused_form_is_measured_by_default_and_counted_as_trained(tiny, measured, monkeypatch):
    given, traced = [], []

    def by_backend(network, *_):
        given.append(network)
        return lambda images: None

    monkeypatch.setattr(models, "fuse", Doubled)
    monkeypatch.setattr(models, "by_backend", by_backend)
    monkeypatch.setattr(
        models, "trace", lambda network, _: traced.append(network) or SimpleNamespace(macs=1)
    )
    models.bench_models(["swin_tiny"])
    measured["candidates"]["swin_tiny"](None)
    models.bench_models(["swin_tiny"], setting=Setting(), gain="fuse")
    for name in ("swin_tiny, as trained", "swin_tiny"):
        measured["candidates"][name](None)
    assert [isinstance(network, Doubled) for network in given] == [True, False, True]
    assert len(traced) == 3
    assert not any(isinstance(network, Doubled) for network in traced)
    assert measured["baseline"] == {"swin_tiny": "swin_tiny, as trained"}


@pytest.mark.parametrize(
    ("flags", "fused"),
    [([], True), (["--fuse"], True), (["--no-fuse"], False), (["--training"], False)],
)
def test_what_is_fused_by_default(flags, fused, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(
        models, "bench_factories", lambda _, setting, **__: asked.append(setting) or 1 / 0
    )
    with pytest.raises(ZeroDivisionError):
        main(["bench", "models", "swin_tiny", *flags])
    assert asked[0].fused is fused


def test_a_training_step_updates_the_weights_of_a_network_in_training(tiny, tmp_path, capsys):
    content = bench_json(["models", "swin_tiny", "--training"], tmp_path)
    assert content["setting"]["training"]
    assert content["macs"] == {}
    assert "training steps" in capsys.readouterr().out
    model = tiny_model("swin_tiny").set_train(False)
    before = {p.name: get_value(p) for p in model.trainable_params()}
    result = training_step(TASKS["classification"], model)(np.ones((2, 3, 16, 16), np.float32))()
    assert result.finite
    assert model.training
    assert any((get_value(p) != before[p.name]).any() for p in model.trainable_params())


def test_random_targets_of_a_detector_are_boxes_in_the_image():
    rng = np.random.default_rng(0)
    targets = TASKS["detection"].random_targets(small_detector(), (3, 3, 40, 60), rng)
    boxes, labels, sizes = targets  # no masks
    assert boxes.dtype == np.float32
    assert (boxes[..., :2] <= boxes[..., 2:]).all()
    assert boxes[..., 0::2].max() <= 60
    assert boxes[..., 1::2].max() <= 40
    assert boxes[..., 0::2].max() > 30
    assert labels.shape == boxes.shape[:2]
    assert labels.max() < 4
    np.testing.assert_array_equal(sizes, np.full((3, 2), (40, 60), np.float32))


def test_mindir_is_measured_with_and_without_transfer(tiny, tmp_path, capsys):
    for transfer in ([], ["--transfer"]):
        arguments = ["models", "swin_tiny", "--backend", "mindir", *transfer]
        content = bench_json(arguments, tmp_path)
        assert content["setting"]["backend"] == "mindir"
        printed = capsys.readouterr().out
        assert "from MindIR" in printed
        assert ("copies" in printed) == bool(transfer)


@pytest.mark.parametrize("transfer", [False, True])
@pytest.mark.parametrize("backend", ["mindspore", "mindir"])
def test_back_ends_compute_the_network(backend, transfer, tmp_path, rng):
    network = Doubled(nn.ReLU()).set_train(False)
    images = rng.standard_normal((2, 3, 4, 4)).astype(np.float32)
    outputs = backends.by_backend(network, backend, transfer, tmp_path)(images)()
    array = outputs[0] if transfer else outputs.asnumpy()
    np.testing.assert_array_equal(array, 2 * np.maximum(images, 0))


def test_onnxruntime_computes_the_network(tmp_path, rng):
    pytest.importorskip("onnxruntime")
    images = rng.standard_normal((2, 3, 4, 4)).astype(np.float32)
    network = Doubled(nn.ReLU()).set_train(False)
    outputs = backends.by_backend(network, "onnxruntime", False, tmp_path)(images)()
    np.testing.assert_array_equal(outputs, 2 * np.maximum(images, 0))


class Lite:
    """MindSpore Lite's interface in Python, as documented, around the identity."""

    class ModelType:
        MINDIR = 0

    def __init__(self):
        self.copied, self.predicted, self.fetched = [], 0, 0
        self.Context = SimpleNamespace
        self.Model = lambda: self

    def build_from_file(self, path, model_type, context):
        assert path.endswith(".mindir")
        assert model_type == self.ModelType.MINDIR
        assert context.target == ["cpu"]

    def get_inputs(self):
        return [SimpleNamespace(set_data_from_numpy=self.copied.append)]

    def predict(self, inputs):
        self.predicted += 1

        def fetch():
            self.fetched += 1
            return self.copied[-1]

        return [SimpleNamespace(get_data_to_numpy=fetch)]


@pytest.mark.parametrize(("transfer", "copies", "fetches"), [(False, 1, 0), (True, 3, 2)])
def test_lite_copies_in_every_call_only_if_transfer_is_measured(
    transfer, copies, fetches, tmp_path, monkeypatch
):
    lite = Lite()
    monkeypatch.setitem(sys.modules, "mindspore_lite", lite)
    images = np.ones((1, 3, 4, 4), np.float32)
    call = backends.by_backend(nn.ReLU().set_train(False), "lite", transfer, tmp_path)(images)
    call()
    call()
    assert (len(lite.copied), lite.predicted, lite.fetched) == (copies, 2, fetches)


@pytest.mark.parametrize(
    ("backend", "remedy"),
    [("onnxruntime", "pip install acmix"), ("lite", "mindspore.cn/lite"), ("tensorrt", "unknown")],
)
def test_a_back_end_that_is_not_there_is_refused_with_what_to_install(backend, remedy, monkeypatch):
    monkeypatch.setattr(backends, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=remedy):
        backends.check_backend(backend)


def test_onnxruntime_is_refused_on_another_device(monkeypatch):
    monkeypatch.setattr(backends, "find_spec", lambda name: name)
    with target_set_to("Ascend"), pytest.raises(UserError, match="--device CPU"):
        backends.check_backend("onnxruntime")


CONTRADICTIONS = [
    (["swin_tiny", "--training", "--fuse"], "--no-fuse"),
    (["swin_tiny", "--training", "--backend", "mindir"], "leave --backend out"),
    (["swin_tiny", "--training", "--raw"], "leave --raw out"),
    (["swin_tiny", "--training", "--transfer"], "leave --transfer out"),
    (["swin_tiny", "--training", "--gain", "fuse"], "--no-fuse"),
    (["swin_tiny", "--gain", "graph-kernel", "--backend", "mindir"], "leave --backend out"),
    (["swin_tiny", "--gain", "recompute"], "add --training"),
    (["swin_tiny", "--gain", "block"], "has no convolution path"),
    (["swin_tiny", "--gain", "block", "--baseline", "x"], "--baseline"),
    (["swin_tiny", "--load", "a.json"], "measures nothing"),
    (["--load", "nowhere*.json"], "does not exist"),
    (["swin_tinny"], "Did you mean 'swin_tiny'"),
]


@pytest.mark.parametrize(("arguments", "message"), CONTRADICTIONS)
def test_contradictions_are_refused_in_one_line(arguments, message, tiny, capsys):
    assert main(["bench", "models", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().splitlines()) == 1


def test_a_detector_without_post_processing_gives_predictions_of_all_anchors(tmp_path):
    detector = small_detector().set_train(False)
    factory = models.NetworkFactory(TASKS["detection"], lambda: detector, (3, 32, 32))
    network = models._deployed(factory, detector, Setting(raw=True))
    call = backends.by_backend(network, "mindspore", True, tmp_path)(
        np.zeros((1, 3, 32, 32), np.float32)
    )
    logits, deltas = call()
    assert logits.shape[:2] == deltas.shape[:2]
    assert logits.shape[2] == 4

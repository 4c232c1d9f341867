"""Reports: real nets measured, written as JSON, and the same table made again from that."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import mindspore as ms
import numpy as np
import pytest
from mindspore import nn

from acmix.errors import UserError
from acmix.tools.bench import peak
from acmix.tools.bench.candidates import bench_networks, with_transfer
from acmix.tools.bench.models_report import ModelsReport
from acmix.tools.bench.peak import Peak
from acmix.tools.bench.setting import Setting
from acmix.tools.bench.timing import Timing

REPORT = ModelsReport(
    environment={"device": "CPU", "cpu": "some", "cores": 2, "mindspore": "2.8.0"},
    mode="graph",
    input_shape=(3, 32, 32),
    warmup=1,
    probed_peak=Peak(100.0, "a product"),
    baselines={"slow": "slow", "fast": "slow"},
    macs={"fast": 500_000_000},
    timings=(
        Timing("slow", 2, 3.0, (0.2, 0.2, 0.2)),
        Timing("fast", 2, 1.0, (0.1, 0.1, 0.1)),
    ),
)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(peak, "MATMUL_SIZE", 64)
    monkeypatch.setattr(peak, "MAPS", (1, 4, 5, 6))


def test_rows_of_known_timings():
    lines = REPORT.render().splitlines()
    assert lines[0].split(" | ")[-3:] == ["vs slow", "GMACs", "% of peak |"]
    assert lines[2] == "| slow | 2 | 10.0 | 200.00 | 0.00 | 3.0 | 1.00x (1.00-1.00) |  |  |"
    # 2 x 0.5 GMAC x 20 img/s = 20 GFLOP/s of 100
    assert lines[3] == "| fast | 2 | 20.0 | 100.00 | 0.00 | 1.0 | 2.00x (2.00-2.00) | 0.500 | 20 |"
    assert "median of 3 interleaved rounds after 1 of warm-up" in lines[-1]


def test_pairs_name_their_baseline_and_what_was_published_stands_beside():
    report = replace(REPORT, baselines={"fast": "slow", "slow": "fast"}, published={"fast": "2x"})
    lines = report.render().splitlines()
    assert "| speed-up |" in lines[0]
    assert lines[0].endswith("the paper's |")
    assert "| 0.50x (0.50-0.50) of fast |" in lines[2]
    assert "| 2.00x (2.00-2.00) of slow |" in lines[3]
    assert lines[3].endswith("| 2x |")
    of_one = replace(REPORT, baselines={"fast": "slow"}).render().splitlines()
    assert "| vs slow |" in of_one[0]
    assert "x (" not in of_one[2]


def test_the_peak_is_that_of_the_fastest_probe_or_network():
    assert REPORT.render().endswith("peak 100 GFLOP/s, by a product.")
    # 2 x 0.5 GMAC x 2 images in 10 ms is 200 GFLOP/s: no product showed as much.
    burst = replace(REPORT, timings=(Timing("fast", 2, 1.0, (0.1, 0.01, 0.02)),), baselines={})
    assert burst.peak == Peak(pytest.approx(200), "fast")
    assert burst.efficiency(burst.timings[0]) == pytest.approx(0.5)
    assert burst.render().endswith("peak 200 GFLOP/s, by fast.")


def test_the_line_below_names_every_setting_but_the_default():
    assert Setting().phrases() == []
    every = Setting("lite", True, True, True, True, True, "O1", "block")
    line = replace(REPORT, setting=every).render().splitlines()[-1]
    for phrase in ("training", "fused", "Lite", "copies", "post-proc", "kernel", "O1", "block"):
        assert phrase in line


def test_the_device_is_named_where_it_has_a_name():
    facts = REPORT.environment | {"device": "Ascend", "device_name": "Ascend910B2"}
    assert "Ascend910B2 (some, 2 cores)" in replace(REPORT, environment=facts).render()
    facts["stand_in"] = "Ascend910B1, computed by NumPy"
    said = "stand-in for Ascend910B1, computed by NumPy (some, 2 cores)"
    assert said in replace(REPORT, environment=facts).render()
    facts["device"] = "CPU"  # of a process that chose it, in a rehearsal
    assert "stand-in" not in replace(REPORT, environment=facts).render()


@pytest.mark.parametrize(
    "report",
    [REPORT, replace(REPORT, setting=Setting("mindir"))],
)
def test_json_gives_back_the_report_and_its_table(report):
    again = ModelsReport.from_json(report.to_json())
    assert again == report
    assert again.render() == report.render()


def test_reports_from_before_probes_and_settings_are_read():
    content = json.loads(REPORT.to_json())
    del content["probed_peak"], content["setting"]
    content |= {"matmul_gflops": 100.0, "peaks": [{"batch_size": 2, "gflops": [100.0]}]}
    assert ModelsReport.from_json(json.dumps(content)).peak == Peak(100.0, "a matrix product")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"timings": [{}]}', '{"timings": []}'])
def test_other_json_is_refused(text):
    with pytest.raises(UserError, match="not a JSON of 'acmix bench'"):
        ModelsReport.from_json(text)


def test_networks_are_measured_in_evaluation_mode(quick, mode):
    networks = {"relu": nn.ReLU(), "drop": nn.SequentialCell(nn.Dropout(p=0.9)).set_train(True)}
    lines = []
    report = bench_networks(
        networks, (3, 4, 4), (1, 2), warmup=1, repeats=3, baseline="relu", progress=lines.append
    )
    assert [(timing.name, timing.batch_size) for timing in report.timings] == [
        *[("relu", 1), ("drop", 1)],
        *[("relu", 2), ("drop", 2)],
    ]
    assert all(len(timing.seconds) == 3 and timing.median > 0 for timing in report.timings)
    assert report.mode == mode
    assert report.probed_peak.gflops > 0
    assert report.probed_peak.source in peak.probes()
    assert len(lines) == 2
    assert networks["drop"].training
    assert json.loads(report.to_json())["environment"]["acmix"]


def test_an_unknown_baseline_is_refused_before_any_work(quick):
    with pytest.raises(UserError, match="Did you mean 'relu'"):
        bench_networks({"relu": nn.ReLU()}, (3, 4, 4), baseline="relo")


def test_only_what_is_compared_takes_turns(quick):
    told = []
    networks = {name: nn.ReLU() for name in ("a", "b", "a twin", "b twin", "b twin's twin")}
    report = bench_networks(
        networks,
        (3, 4, 4),
        (1,),
        baseline={"a twin": "a", "b twin": "b", "b twin's twin": "b twin"},
        macs=dict.fromkeys(networks, 48),
        warmup=1,
        repeats=2,
        progress=told.append,
    )
    groups = [("a", "a twin"), ("b", "b twin", "b twin's twin")]
    assert told == [f"batch size 1: {', '.join(names)}" for names in groups]
    for timing in report.timings:
        assert 0 < report.efficiency(timing) <= 1


def test_a_batch_size_of_nothing_is_refused(quick):
    with pytest.raises(UserError, match="batch_sizes: got 0"):
        bench_networks({"relu": nn.ReLU()}, (3, 4, 4), (0,))


def test_probes_compute_what_they_count(quick, monkeypatch):
    monkeypatch.setattr(peak, "MAPS", (2, 4, 5, 6))
    found = peak.probes()
    assert found["MindSpore's 3 x 3 convolution"].macs == 2 * 5 * 6 * 4 * 4 * 9
    for name, probe in found.items():
        if "product" in name:
            assert probe.call().shape == (64, 64)
            assert probe.macs == 64**3
        else:
            output = probe.call()
            assert (output if isinstance(output, tuple) else (output,))[0].shape == (2, 4, 5, 6)


def test_the_fastest_round_of_the_fastest_probe_counts():
    slow, fast = Timing("slow", 1, 0.0, (4e-6, 2e-6)), Timing("fast", 1, 0.0, (3e-6, 1e-6))
    probes = [(peak.Probe(1000, None), timing) for timing in (slow, fast)]
    assert peak.peak_of(probes) == Peak(pytest.approx(2.0), "fast")


@pytest.mark.onnx
def test_onnx_runtime_is_a_probe_where_it_is_installed(quick):
    pytest.importorskip("onnxruntime")
    assert {f"ONNX Runtime's {k} x {k} convolution" for k in (3, 1)} < peak.probes().keys()


def test_numpys_product_runs_on_all_cores_whatever_the_environment_says(quick):
    from threadpoolctl import threadpool_info, threadpool_limits

    seen = []
    run = peak._on_all_cores(lambda: seen.extend(threadpool_info()))
    with threadpool_limits(1, user_api="blas"):
        run()
    threads = [pool["num_threads"] for pool in seen if "numpy" in pool["filepath"]]
    assert threads == [len(os.sched_getaffinity(0))]


class Outputs(nn.Cell):
    def __init__(self):
        super().__init__()
        self.seen = []

    def construct(self, images):
        self.seen.append(images)
        return images, images + 1


def test_transfer_places_the_images_and_fetches_all_outputs_in_every_call():
    ms.set_context(mode=ms.PYNATIVE_MODE)
    network = Outputs()
    call = with_transfer(network)(np.zeros((1, 2), np.float32))
    first, second = call()
    assert isinstance(first, np.ndarray)
    assert second.sum() == 2
    call()
    assert network.seen[0] is not network.seen[1]

"""Reports: real nets measured, written as JSON, and the same table made again from that."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from mindspore import nn

from acmix.bench import BenchReport, Timing, bench_models, matmul_peak, models
from acmix.errors import UserError

REPORT = BenchReport(
    environment={"device": "CPU", "cpu": "some", "cores": 2, "mindspore": "2.8.0"},
    mode="graph",
    input_shape=(3, 32, 32),
    warmup=1,
    matmul_gflops=100.0,
    baselines={"slow": "slow", "fast": "slow"},
    macs={"fast": 500_000_000},
    timings=(
        Timing("slow", 2, 3.0, (0.2, 0.2, 0.2)),
        Timing("fast", 2, 1.0, (0.1, 0.1, 0.1)),
    ),
)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(models, "matmul_peak", lambda: 100.0)


def test_rows_of_known_timings():
    lines = REPORT.render().splitlines()
    assert lines[0].split(" | ")[-3:] == ["vs slow", "GMACs", "% of matmul peak |"]
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


def test_json_gives_back_the_report_and_its_table():
    again = BenchReport.from_json(REPORT.to_json())
    assert again == REPORT
    assert again.render() == REPORT.render()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"timings": [{}]}', '{"timings": []}'])
def test_other_json_is_refused(text):
    with pytest.raises(UserError, match="not a JSON of 'acmix bench'"):
        BenchReport.from_json(text)


def test_networks_are_measured_in_evaluation_mode(quick, mode):
    networks = {"relu": nn.ReLU(), "drop": nn.SequentialCell(nn.Dropout(p=0.9)).set_train(True)}
    lines = []
    report = bench_models(
        networks, (3, 4, 4), (1, 2), warmup=1, repeats=3, baseline="relu", progress=lines.append
    )
    assert [(timing.name, timing.batch_size) for timing in report.timings] == [
        *[("relu", 1), ("drop", 1)],
        *[("relu", 2), ("drop", 2)],
    ]
    assert all(len(timing.seconds) == 3 and timing.median > 0 for timing in report.timings)
    assert report.mode == mode
    assert len(lines) == 2
    assert networks["drop"].training
    assert json.loads(report.to_json())["environment"]["acmix"]


def test_an_unknown_baseline_is_refused_before_any_work(quick):
    with pytest.raises(UserError, match="Did you mean 'relu'"):
        bench_models({"relu": None}, (3, 4, 4), baseline="relo")


def test_a_batch_size_of_nothing_is_refused(quick):
    with pytest.raises(UserError, match="batch_sizes: got 0"):
        bench_models({"relu": nn.ReLU()}, (3, 4, 4), (0,))


def test_matmul_peak_is_that_of_a_real_machine():
    assert 0.1 < matmul_peak(size=256, repeats=3) < 1e6

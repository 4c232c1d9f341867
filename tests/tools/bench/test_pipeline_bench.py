"""The input pipeline against the network: rates under a clock of our own, and the verdict."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from acmix.cli import main
from acmix.errors import UserError
from acmix.tools.bench import data
from acmix.tools.bench.data import Loop, measure_rates
from acmix.tools.bench.data_report import DataReport
from acmix.tools.bench.reports import read_report

REPORT = DataReport(
    environment={"device": "CPU", "cpu": "some", "cores": 2, "mindspore": "2.8.0"},
    network="swin_tiny",
    batch_size=8,
    image_shape=(3, 32, 32),
    workers="2 threads",
    seconds=5.0,
    pipelines={"2 threads": (40.0, 50.0, 60.0), "1 thread": (25.0, 25.0, 26.0)},
    per_core={"2 threads": (20.0, 21.0, 30.0), "1 thread": (24.0, 25.0, 25.0)},
    training=(100.0, 90.0, 120.0),
)


@pytest.fixture
def spend(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(data, "perf_counter", lambda: now[0])
    monkeypatch.setattr(data, "process_time", lambda: now[0] / 2)

    def spend(seconds):
        now[0] += seconds

    return spend


def test_rates_are_images_by_time_in_turns_without_warm_up(spend):
    order = []

    def work(name, seconds):
        def begin():
            order.append(name)
            try:
                yield from ((spend(100), 4)[1] for _ in range(2))
                while True:
                    spend(seconds)
                    yield 4
            finally:
                order.append(f"{name} ends")

        return Loop(begin)

    works = {"slow": work("slow", 2), "fast": work("fast", 0.5)}
    # A measurement ends with a batch: three of 2 s are 6 s.
    rates = measure_rates(works, seconds=5, rounds=2, warmup=2)
    assert rates == {"slow": ((2, 4), (2, 4)), "fast": ((8, 16), (8, 16))}
    assert order == ["slow", "slow ends", "fast", "fast ends"] * 2


@pytest.mark.parametrize("wrong", [{"seconds": 0}, {"rounds": 0}, {"seconds": -1.0}])
def test_numbers_out_of_range_are_named(wrong):
    with pytest.raises(UserError, match=f"{next(iter(wrong))}: got"):
        measure_rates({}, **({"seconds": 1, "rounds": 1, "warmup": 0} | wrong))


def test_the_slower_one_is_the_bottleneck():
    text = REPORT.render()
    assert "| input pipeline, 2 threads | 50.0 | 40.0 | 60.0 | 21.0 |" in text
    assert "| input pipeline, 1 thread | 25.0 | 25.0 | 26.0 | 25.0 |" in text
    assert "| training step of swin_tiny | 100.0 | 90.0 | 120.0 |  |" in text
    assert "The input pipeline is the bottleneck: it gives 0.5 images" in text
    assert "share the cores" in text
    faster = replace(
        REPORT,
        pipelines={"2 threads": (300.0,)},
        environment=REPORT.environment | {"device": "Ascend"},
    )
    assert (
        "The network is the bottleneck, not the input pipeline: it gives 3 images"
        in faster.render()
    )
    assert "share the cores" not in faster.render()


def test_a_report_is_read_back_from_its_json(tmp_path, capsys):
    assert read_report(REPORT.to_json()) == REPORT
    file = tmp_path / "pipeline.json"
    file.write_text(REPORT.to_json())
    assert main(["bench", "data", "--load", str(file)]) == 0
    assert capsys.readouterr().out.strip() == REPORT.render()


@pytest.mark.parametrize("changes", [{"pipelines": 3}, {"unknown": 1}, {"training": None}])
def test_a_json_that_is_no_report_is_refused(changes):
    with pytest.raises(UserError, match="not a JSON of 'acmix bench'"):
        read_report(json.dumps(json.loads(REPORT.to_json()) | changes))


CONFIG = """
data: {name: digits, image_size: 8, channels: 1, mean: [0.3], std: [0.3], batch_size: 64,
       num_workers: 2}
model: {name: swin_tiny, kwargs: {depths: [1], num_heads: [2], embed_dim: 8, window_size: 2}}
optim: {name: sgd}
"""


def test_the_command_measures_the_pipeline_and_the_network_of_a_configuration(tmp_path, capsys):
    config, file = tmp_path / "run.yaml", tmp_path / "pipeline.json"
    config.write_text(CONFIG)
    arguments = ["data", str(config), "data.batch_size=32", "--seconds", "0.05"]
    assert main(["bench", *arguments, "--json", str(file)]) == 0
    report = read_report(file.read_text())
    assert (report.batch_size, report.image_shape, report.workers) == (32, (1, 8, 8), "2 threads")
    assert set(report.pipelines) == {"1 thread", "2 threads"}
    assert all(min(rates) > 0 for rates in (*report.pipelines.values(), report.training))
    assert "bottleneck" in capsys.readouterr().out


COMPARABLE = """
data: {name: image_folder, image_size: 8, batch_size: 2, num_workers: 1, crop_pct: 1.0}
model: {name: swin_tiny, kwargs: {depths: [1], num_heads: [2], embed_dim: 8, window_size: 2}}
optim: {name: sgd}
"""


def test_threads_processes_and_the_transforms_of_mindspore_are_compared(tmp_path, capsys, rng):
    for split in ("train", "val"):
        for name in "ab":
            folder = tmp_path / "images" / split / name
            folder.mkdir(parents=True)
            for index in range(4):
                pixels = rng.integers(256, size=(24, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{index}.jpg")
    config, file = tmp_path / "run.yaml", tmp_path / "pipeline.json"
    config.write_text(COMPARABLE)
    arguments = [str(config), f"data.root={tmp_path / 'images'}", "--seconds", "0.05", "--compare"]
    assert main(["bench", "data", *arguments, "--json", str(file)]) == 0
    report = read_report(file.read_text())
    assert set(report.pipelines) == set(report.per_core) == {
        "1 thread", "1 process", "MindSpore's C++ transforms, 1 thread",
        "MindSpore's C++ transforms, antialiased, 1 thread",
    }  # fmt: skip
    assert all(min(rates) > 0 for rates in report.pipelines.values())


def test_what_mindspore_has_not_is_not_compared(tmp_path, capsys):
    config = tmp_path / "run.yaml"
    config.write_text(CONFIG)
    assert main(["bench", "data", str(config), "--compare"]) == 2
    assert "--compare takes an image_folder" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name one configuration, got none"),
        (["a.yaml", "b.yaml"], "name one configuration, got a.yaml b.yaml"),
        (["a.yaml", "--load", "b.json"], "name no more than files"),
    ],
)
def test_what_is_measured_is_one_configuration(arguments, message, capsys):
    assert main(["bench", "data", *arguments]) == 2
    assert message in capsys.readouterr().err

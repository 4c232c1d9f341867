"""'acmix bench scaling': workers in jobs of their own, each with a core and a thread."""

import json
import os
from types import SimpleNamespace

import pytest

from acmix.cli import main
from acmix.launch import Job
from acmix.models import create_model
from acmix.tools.bench import scaling, scaling_worker
from acmix.tools.bench.reports import read_report
from acmix.tools.bench.scaling_report import ScalingRun

KWARGS = {"depths": (1,), "num_heads": (2,), "embed_dim": 8, "window_size": 2}
CONFIG = f"""
data: {{name: digits, image_size: 8, channels: 1, mean: [0.3], std: [0.3], batch_size: 16}}
model: {{name: swin_tiny, kwargs: {json.dumps(KWARGS)}}}
optim: {{name: sgd}}
"""


@pytest.fixture
def config(tmp_path):
    file = tmp_path / "tiny.yaml"
    file.write_text(CONFIG)
    return str(file)


@pytest.mark.exhaustive
@pytest.mark.msrun
@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two cores")
def test_two_workers_are_measured_with_their_exchange(config, tmp_path, capsys):
    file = tmp_path / "scaling.json"
    arguments = ["scaling", config, "data.batch_size=4", "--workers", "2"]
    arguments += ["--warmup", "1", "--repeats", "2", "--json", str(file)]
    assert main(["bench", *arguments]) == 0
    (run,) = read_report(file.read_text()).runs
    assert (run.network, run.workers, run.batch_size) == ("swin_tiny", 2, 4)
    assert len(run.steps) == len(run.exchanges) == 2
    assert min(run.exchanges) > 0
    assert run.exchanged_bytes > 4 * 1000
    assert "| swin_tiny | 2 |" in capsys.readouterr().out


def test_a_worker_measures_its_steps_and_their_exchange(config, tmp_path, monkeypatch):
    waited = []

    def average(tensors):
        return tensors

    def barrier():
        waited.append(True)

    world = SimpleNamespace(size=3, is_first=True, all_reduce_mean=average, barrier=barrier)
    monkeypatch.setattr(scaling_worker, "join", lambda: world)
    output = tmp_path / "run.json"
    arguments = [config, "data.batch_size=4", "--warmup=1", "--repeats=2", f"--output={output}"]
    assert scaling_worker.main(arguments) == 0
    run = ScalingRun.from_dict(json.loads(output.read_text()))
    assert (run.network, run.workers, run.batch_size) == ("swin_tiny", 3, 4)
    assert len(run.steps) == len(run.exchanges) == 2
    weights = create_model("swin_tiny", in_channels=1, num_classes=1000, **KWARGS)
    assert run.exchanged_bytes == 4 * sum(p.size for p in weights.trainable_params())
    assert waited


@pytest.fixture
def launched(monkeypatch):
    """Jobs are not started but written down, with the cores and threads they would have."""
    jobs = []

    def launch(job, arguments, log_dir, console):
        jobs.append((job, arguments, os.sched_getaffinity(0), os.environ["OMP_NUM_THREADS"]))
        if "fails.yaml" in arguments[2]:
            console.write("acmix launch: rank 1 was killed by SIGKILL\n")
            return 1
        (output,) = (word for word in arguments if word.startswith("--output="))
        run = {"network": arguments[2], "workers": job.workers, "batch_size": 1,
               "exchanged_bytes": 4, "steps": [1.0], "exchanges": []}  # fmt: skip
        with open(output.removeprefix("--output="), "w") as file:
            json.dump(run, file)
        return 0

    monkeypatch.setattr(scaling, "launch", launch)
    return jobs


def test_every_worker_gets_a_core_and_a_thread_and_this_process_keeps_its_own(
    config, launched, monkeypatch
):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    cores = os.sched_getaffinity(0)
    numbers = range(1, len(cores) + 1)
    report = scaling.bench_scaling([config], [*reversed(numbers)], ["seed=1"], repeats=4)
    assert [run.workers for run in report.runs] == [*numbers]
    for (job, arguments, given, threads), count in zip(launched, numbers, strict=True):
        assert job == Job("CPU", count)
        assert (len(given), threads) == (count, "1")
        assert "seed=1" in arguments
        assert "--repeats=4" in arguments
    assert os.sched_getaffinity(0) == cores
    assert os.environ["OMP_NUM_THREADS"] == "7"


def test_a_job_that_fails_says_why(config, launched, tmp_path, capsys):
    failing = tmp_path / "fails.yaml"
    failing.write_text(CONFIG)
    assert main(["bench", "scaling", config, str(failing), "--workers", "1"]) == 2
    assert "rank 1 was killed by SIGKILL" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workers", "4096"], "--workers 4096"),
        (["model.name=nothing_like_it", "swin_tiny"], "cannot read"),
        (["optim.lr=-1"], "optim.lr"),
    ],
)
def test_mistakes_are_found_before_anything_is_started(
    arguments, message, config, launched, capsys
):
    assert main(["bench", "scaling", config, *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not launched

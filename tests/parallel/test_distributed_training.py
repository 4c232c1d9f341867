"""Training through scripts/run_distributed.sh: two nodes, a killed worker, SIGTERM, resuming."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from acmix.engine import RunDir
from acmix.engine.checkpoint import read_checkpoint

# test_launch.py has the faults with small processes, test_world.py the training.
pytestmark = [pytest.mark.msrun, pytest.mark.exhaustive]

ROOT = Path(__file__).parents[2]
TIMES = ("images_per_second", "seconds", "eval_seconds")
# Drop path makes every rank draw random numbers, whose states have to be taken up again too. A
# plain ResNet compiles fastest; ACmix itself trains on several ranks in test_world.py.
TINY = (
    "configs/classification/digits_acmix_swin.yaml",
    "model.name=resnet26",
    "model.kwargs={width: 8, depths: [2]}",
    "model.drop_path_rate=0.3",
    "data.batch_size=128",
    "schedule.warmup_epochs=0",
    "train.epochs=8",
    "train.ema_decay=0.9",
    "train.save_interval=2",
    "train.keep=30",
    "train.log_interval=1",
)
LAST_STEP = 40


def start(output, *options, cores=None):
    command = ["bash", "scripts/run_distributed.sh", "--device", "cpu", *options, *TINY]
    if cores is not None:
        command = ["taskset", "-c", cores, *command]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*command, f"output={output}"],
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def worker(launcher, rank):
    """Return the process of a rank."""
    for process in psutil.Process(launcher.pid).children(recursive=True):
        environment = process.environ()
        if environment.get("MS_ROLE") == "MS_WORKER" and environment["MS_NODE_ID"] == str(rank):
            return process
    raise LookupError(rank)


def wait_for_step(launcher, output, step):
    """Return when ``step`` is done."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if any(record["step"] >= step for record in RunDir(output).metrics()):
            return
        assert launcher.poll() is None, launcher.communicate()[0]
        time.sleep(0.05)
    launcher.kill()
    pytest.fail(launcher.communicate()[0])


def history(output):
    return {
        record["step"]: {name: value for name, value in record.items() if name not in TIMES}
        for record in RunDir(output).metrics()
    }


def finish(launchers):
    """Return console and exit code of each."""
    consoles = [launcher.communicate(timeout=300)[0] for launcher in launchers]
    return [(text, x.returncode) for text, x in zip(consoles, launchers, strict=True)]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    """A run of two nodes with a worker each that is never interrupted, and their consoles."""
    output = tmp_path_factory.mktemp("nodes") / "run"
    port = str(20000 + os.getpid() % 20000)
    cores = [str(core) for core in sorted(os.sched_getaffinity(0))]
    meeting = ("--workers", "1", "--nodes", "2", "--master", "127.0.0.1", "--port", port)
    launchers = [
        start(output, *meeting, "--node-rank", str(rank), cores=core)
        for rank, core in enumerate(cores[:2])
    ]
    return output, finish(launchers)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """The same on one node, stopped by SIGTERM, resumed, and ended by the death of a worker."""
    output = tmp_path_factory.mktemp("parts") / "run"
    found = {}
    launcher = start(output, "--workers", "2")
    wait_for_step(launcher, output, 1)
    launcher.send_signal(signal.SIGTERM)
    (found["stopped"],) = finish([launcher])
    # At the end of an epoch, its line is written when it is evaluated: by the resumed run.
    named = re.search(r"step (\d+), which is saved", found["stopped"][0])
    found["last step"] = int(named[1]) if named else max(history(output))

    found["history"] = history(output)
    launcher = start(output, "--workers", "2", "--resume", "auto")
    wait_for_step(launcher, output, found["last step"] + 3)
    worker(launcher, 1).send_signal(signal.SIGKILL)
    killed = time.monotonic()
    (found["killed"],) = finish([launcher])
    found["seconds to end"] = time.monotonic() - killed
    return output, found


def test_two_nodes_start_and_train(nodes):
    output, launchers = nodes
    assert len(launchers) == 2
    for console, code in launchers:
        assert code == 0, console
        assert "Finished in" in console
        expected = "A step takes 256 images: data.batch_size=128 x train.accumulate=1 x 2 worker"
        assert expected in console
    assert max(history(output)) == LAST_STEP


def test_sigterm_saves_and_ends_well_with_the_step_named(parts):
    _, found = parts
    console, code = found["stopped"]
    assert code == 0, console
    assert found["last step"] < LAST_STEP, "the signal came too late"
    assert f"step {found['last step']}, which is saved" in console
    assert found["last step"] - max(found["history"]) in (0, 1)


def test_killed_worker_ends_the_job_in_time_and_is_named(parts):
    _, found = parts
    console, code = found["killed"]
    assert code == 1
    assert "acmix launch: rank 1 was killed by SIGKILL" in console
    assert found["seconds to end"] < 60


def test_resumed_run_is_the_uninterrupted_one_to_the_last_bit(nodes, parts):
    """Which moreover had its two workers on two nodes."""
    whole, _ = nodes
    output, found = parts
    assert f"made at step {found['last step']}" in found["killed"][0]
    actual, expected = history(output), history(whole)
    assert len(actual) >= found["last step"] + 3
    assert actual == {step: expected[step] for step in actual}
    compared = 0
    for path in (output / "checkpoints").glob("*_*.ckpt"):
        twin = whole / "checkpoints" / path.name
        tensors, progress = read_checkpoint(path)[:2]
        if progress.step <= found["last step"]:
            continue
        others, other_progress = read_checkpoint(twin)[:2]
        assert progress == other_progress
        for key, value in others.items():
            np.testing.assert_array_equal(tensors[key], value, err_msg=key)
        compared += 1
    assert compared > 0

"""The launcher: what it refuses, what it tells msrun, and the rank that failed."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from acmix.errors import UserError
from acmix.launch import Job, launch
from acmix.launch import job as job_module
from acmix.launch.__main__ import main

CORES = 8


@pytest.fixture
def _cores(monkeypatch):
    monkeypatch.setattr(job_module, "available_cores", lambda: list(range(CORES)))


pytestmark = pytest.mark.usefixtures("_cores")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"workers": 0}, "--workers must be at least 1, got 0"),
        ({"workers": 9}, "--workers 9 on the 8 cores"),
        ({"device": "TPU"}, "--device TPU: take ascend, gpu or cpu"),
        ({"nodes": 0}, "--nodes must be at least 1"),
        ({"nodes": 2}, "--nodes 2 needs --master ADDRESS"),
        ({"nodes": 2, "node_rank": 2, "master": "a"}, r"must be in 0\.\.1 .* got 2"),
        ({"port": 80}, "--port must be in 1024"),
    ],
)
def test_impossible_jobs_are_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        Job(**{"device": "CPU", "workers": 2, **arguments})


def option(job, name):
    command = job.command(["train.py"], Path("logs"))
    (value,) = [part.split("=", 1)[1] for part in command if part.startswith(f"--{name}=")]
    return value


def test_workers_of_a_node_share_its_cores_and_threads():
    job = Job("CPU", 3)
    assert job.environment({})["OMP_NUM_THREADS"] == "2"
    assert json.loads(option(job, "bind_core")) == {
        "device0": ["0", "1"], "device1": ["2", "3"], "device2": ["4", "5"],
    }  # fmt: skip


def test_what_the_user_has_set_stays():
    environment = Job("CPU", 2).environment({"OMP_NUM_THREADS": "7", "MS_NODE_TIMEOUT": "90"})
    assert (environment["OMP_NUM_THREADS"], environment["MS_NODE_TIMEOUT"]) == ("7", "90")


def test_cards_choose_their_own_cores_and_binding_can_be_left_out():
    assert option(Job("Ascend", 8), "bind_core") == "True"
    assert option(Job("CPU", 2, bind=False), "bind_core") == "False"


def test_nodes_number_their_workers_and_meet_at_the_master():
    job = Job("Ascend", 8, nodes=4, node_rank=2, master="10.0.0.1")
    assert list(job.ranks) == list(range(16, 24))
    assert [option(job, name) for name in ("worker_num", "local_worker_num", "node_rank")] == [
        "32", "8", "2",
    ]  # fmt: skip
    assert [option(job, name) for name in ("master_addr", "master_port")] == ["10.0.0.1", "8118"]


def test_one_node_takes_a_free_port():
    ports = {option(Job("CPU", 2), "master_port") for _ in range(3)}
    assert all(1024 <= int(port) <= 65535 for port in ports)


def test_mistakes_are_one_line_and_exit_code_2(capsys):
    assert main(["--device", "cpu", "--workers", "2", "no_such.yaml"]) == 2
    assert main(["--device", "cpu", "--workers", "99", "x.yaml"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2
    assert all(error.startswith("acmix launch: error: ") for error in errors)


def test_options_and_overrides_in_any_order(monkeypatch, tmp_path):
    given = []
    monkeypatch.setattr("acmix.launch.__main__.launch", lambda *job: given.append(job[1]) or 0)
    config = tmp_path / "c.yaml"
    config.write_text("")
    words = f"seed=1 --device cpu {config} --workers 1 --resume auto output={tmp_path}/a optim.lr=1"
    assert main(words.split()) == 0
    expected = f"{config} seed=1 output={tmp_path}/a optim.lr=1 runtime.device=CPU --resume auto"
    assert given[0][3:] == expected.split()


# What msrun does of which the supervisor takes notice, without MindSpore.
MSRUN = """
import os, signal, subprocess, sys, time
role = {**os.environ, "MS_ROLE": "MS_SCHED"}
scheduler = subprocess.Popen(["sleep", sys.argv[2]], env=role)
workers = []
for rank in ("0", "1"):
    log = open(os.path.join(sys.argv[1], f"worker_{rank}.log"), "w")
    role = {**os.environ, "MS_ROLE": "MS_WORKER", "MS_NODE_ID": rank}
    command = [sys.executable, "-uc", *sys.argv[3:]]
    workers.append(subprocess.Popen(command, env=role, stdout=log, cwd=sys.argv[1]))
def interrupted(*_):
    for process in [scheduler, *workers]:
        process.kill()
    os._exit(0)
signal.signal(signal.SIGINT, interrupted)
running = True
while running:
    time.sleep(0.02)
    running = any(worker.poll() is None for worker in workers)
    for worker in workers:
        if worker.poll():
            print(f"Worker process {worker.pid} exit with exception. Error code: {worker.poll()}.")
            for other in workers:
                other.kill()
            scheduler.wait()  # which waits for the heartbeats of the dead
            sys.exit(1)
scheduler.kill()
"""

WORKER = """
import os, signal, time
until = None
def ask(number, frame):
    global until
    print("asked", flush=True)
    until = time.monotonic() + {seconds}
signal.signal(signal.SIGTERM, ask)
while os.environ["MS_NODE_ID"] == "0" and "ready" not in open("worker_1.log").read():
    time.sleep(0.02)
print("ready", flush=True)
while until is None or time.monotonic() < until:
    time.sleep(0.02)
print("saved", flush=True)
"""


@dataclass(frozen=True)
class WithoutMindSpore(Job):
    """A job whose msrun starts at once."""

    def command(self, arguments, log_dir):
        silence = "60" if self.nodes == 1 else "1"
        return [sys.executable, "-uc", MSRUN, str(log_dir), silence, *arguments]


class Operator(io.StringIO):
    """A console at which somebody sends a signal when a line appears."""

    def __init__(self, **reactions):
        super().__init__()
        self.reactions = reactions

    def write(self, text):
        for line in text.splitlines():
            if line in self.reactions:
                os.kill(os.getpid(), self.reactions.pop(line))
        return super().write(text)


LAUNCHER = f"""
import sys
from pathlib import Path
sys.path[:0] = [{str(Path(__file__).parent)!r}, {str(Path(__file__).parents[2] / "src")!r}]
from test_launch import WithoutMindSpore, launch
script = "import time; print('ready', flush=True); time.sleep(60)"
launch(WithoutMindSpore("CPU", 1), [script], Path(sys.argv[1]))
"""


def supervise(tmp_path, console, script, **job):
    return launch(WithoutMindSpore("CPU", 2, **job), [script], tmp_path, console)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_lets_every_worker_save_and_end(tmp_path, number, heard):
    before = heard(number)
    assert supervise(tmp_path, Operator(ready=number), WORKER.format(seconds=0)) == 0
    assert signal.getsignal(number) is before
    for rank in (0, 1):
        lines = Counter((tmp_path / f"worker_{rank}.log").read_text().split())
        assert lines == {"ready": 1, "asked": 1, "saved": 1}


def test_second_signal_kills_the_workers_at_once(tmp_path):
    start = time.monotonic()
    console = Operator(ready=signal.SIGTERM, asked=signal.SIGTERM)
    assert supervise(tmp_path, console, WORKER.format(seconds=60)) == 1
    assert time.monotonic() - start < 20
    assert "acmix launch: killed by a second signal" in console.getvalue()
    assert "saved" not in console.getvalue()


@pytest.mark.parametrize(
    ("end", "how"),
    [
        ("sys.exit(7)", "ended with exit code 7"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "was killed by SIGKILL"),
    ],
)
def test_worker_that_fails_ends_the_job_and_is_named_with_the_end_of_its_log(tmp_path, end, how):
    script = f"""
import os, signal, sys, time
if os.environ["MS_NODE_ID"] == "0":
    time.sleep(60)
time.sleep(1)
print("what went wrong\\n\\n---\\n- C++ Call Stack: (For framework developers)\\n---", flush=True)
print("line.cc:1\\n" * 20, flush=True)
{end}
"""
    start, console = time.monotonic(), io.StringIO()
    assert supervise(tmp_path, console, script) == 1
    assert time.monotonic() - start < 20
    assert f"acmix launch: rank 1 {how}" in console.getvalue()
    assert "what went wrong" in console.getvalue()
    assert "line.cc" not in console.getvalue()


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is Linux's")
def test_workers_do_not_outlive_a_launcher_that_is_killed(tmp_path):
    launcher = subprocess.Popen([sys.executable, "-c", LAUNCHER, tmp_path], stdout=subprocess.PIPE)
    assert launcher.stdout.readline() == b"ready\n"
    processes = psutil.Process(launcher.pid).children(recursive=True)
    assert len(processes) == 4  # msrun, scheduler, workers
    launcher.kill()
    _, left = psutil.wait_procs(processes, timeout=5)
    assert all(process.status() == psutil.STATUS_ZOMBIE for process in left)
    launcher.communicate()


def test_other_nodes_are_sent_to_the_launcher_that_knows_the_rank(tmp_path):
    console = io.StringIO()
    assert supervise(tmp_path, console, "raise SystemExit(1)", nodes=2, master="127.0.0.1") == 1
    assert "worker of another node was lost: the launcher of that node" in console.getvalue()


def test_signal_that_is_ignored_as_under_nohup_stays_ignored(tmp_path):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        console = Operator(ready=signal.SIGHUP)
        script = "import time; print('ready', flush=True); time.sleep(1); print('done')"
        assert supervise(tmp_path, console, script) == 0
    finally:
        signal.signal(signal.SIGHUP, before)
    assert "done" in console.getvalue()


def test_signal_before_training_begins_is_not_called_a_crash(tmp_path):
    script = "import time; print('ready', flush=True); time.sleep(60)"
    console = Operator(ready=signal.SIGTERM)
    assert supervise(tmp_path, console, script) == 1
    assert "was ended by the signal: its training had not begun" in console.getvalue()


def test_console_that_is_gone_ends_nothing(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w", encoding="utf-8") as console:
        script = "import time; print('ready', flush=True); time.sleep(1); print('done')"
        assert supervise(tmp_path, console, script) == 0
    assert (tmp_path / "worker_0.log").read_text() == "ready\ndone\n"


SCRIPT = """
import sys
from acmix.config import Config
from acmix.data import create_dataset
from acmix.environment import set_device
from acmix.errors import UserError
from acmix.parallel import join

data = {"name": "image_folder", "root": sys.argv[1], "image_size": 8, "batch_size": 1,
        "num_workers": 1, "on_corrupt": "unchecked"}
config = Config.from_dict({"runtime": {"device": "CPU"}, "data": data})
set_device(config.runtime)
world = join()
batches = create_dataset(config.data, "train", seed=0, num_shards=2, shard_id=world.rank)
try:
    for _ in batches.epoch(0):
        world.barrier()
except UserError as error:
    sys.exit(f"error: {error}")
"""


@pytest.mark.msrun
@pytest.mark.exhaustive
def test_image_that_one_rank_cannot_decode_ends_the_job_with_its_name(tmp_path, monkeypatch):
    monkeypatch.undo()  # the real cores
    from PIL import Image

    for name in ("a", "b"):
        folder = tmp_path / "images" / "train" / name
        folder.mkdir(parents=True)
        for i in range(6):
            Image.new("RGB", (9, 9), (20 * i, 0, 0)).save(folder / f"{i}.png")
    (tmp_path / "images" / "train" / "b" / "3.png").write_bytes(b"no image")
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    console = io.StringIO()
    arguments = [str(script), str(tmp_path / "images")]
    assert launch(Job("CPU", 2), arguments, tmp_path / "logs", console) == 1
    shown = console.getvalue()
    assert "ended with exit code 1; the job is stopped" in shown
    assert "cannot read image" in shown
    assert "3.png" in shown

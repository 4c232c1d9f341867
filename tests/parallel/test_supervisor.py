"""Whatever ends in a job and however: what can save does, nothing stays, and the report is true.

The workers are small scripts without MindSpore; test_distributed_training.py has real ones.
"""

import io
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from acmix.errors import UserError
from acmix.launch import Job, launch, progress, supervisor

ROOT = Path(__file__).parents[2]
SECONDS = 30  # for what takes a fraction of one on an idle machine

# Every process of a job runs the same script; the scheduler's part is to be there.
BEGIN = """
import os, signal, subprocess, sys, time
from acmix.utils.activity import doing, finished
from acmix.utils.interruption import Interruption
rank = os.environ.get("MS_NODE_ID")
pids = sys.argv[1]
with open(os.path.join(pids, f"{rank}.tmp"), "w") as file:
    file.write(str(os.getpid()))
def ready():
    os.rename(os.path.join(pids, f"{rank}.tmp"), os.path.join(pids, str(rank)))
    while len([name for name in os.listdir(pids) if "." not in name]) < 3:
        time.sleep(0.01)
    print("ready", flush=True)
if rank is None:
    ready()
    time.sleep(600)
"""
SAVES = """
with Interruption() as interruption:
    doing("step 3", 3, meets=True)
    ready()
    while interruption.signal is None:
        time.sleep(0.01)
    time.sleep(0.1)
    print("saved by", interruption.signal, flush=True)
"""
IGNORES = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
doing("step 3", 3, meets=True)
if rank == "0":
    doing("saving step 3")
ready()
time.sleep(600)
"""


class Running:
    """A job in this process, at whose console somebody reacts to lines."""

    def __init__(self, folder: Path, script: str, **options):
        self.folder = folder
        self.pids = folder / "pids"
        self.pids.mkdir()
        self.console = io.StringIO()
        self.script = BEGIN + script
        self.options = options
        self.seconds = 0.0

    def run(self, react=None, after="ready", **job) -> int:
        """Launch; call ``react`` in a thread when the first worker has printed ``after``."""
        finished = threading.Event()

        def wait() -> None:
            while after not in self.console.getvalue() and not finished.is_set():
                time.sleep(0.01)
            if react is not None and not finished.is_set():
                react()

        thread = threading.Thread(target=wait)
        thread.start()
        start = time.monotonic()
        try:
            arguments = ["-uc", self.script, str(self.pids)]
            job = Job(**{"device": "CPU", "workers": 2, "bind": False, **job})
            return launch(job, arguments, self.folder / "logs", self.console, **self.options)
        finally:
            self.seconds = time.monotonic() - start
            finished.set()
            thread.join()

    def pid(self, name: object) -> int:
        """Return the process of a rank, or of the scheduler: None."""
        return int((self.pids / str(name)).read_text())

    def send(self, number: int, *names: object) -> None:
        """Send a signal to processes of the job."""
        for name in names:
            os.kill(os.getpid() if name == "launcher" else self.pid(name), number)

    def log(self, rank: int) -> list[str]:
        return (self.folder / "logs" / f"worker_{rank}.log").read_text().splitlines()

    @property
    def said(self) -> list[str]:
        """What the launcher itself has said."""
        lines = self.console.getvalue().splitlines()
        return [line for line in lines if line.startswith("acmix launch: ")]

    @property
    def left(self) -> list[str]:
        """Processes of the job that still run."""
        files = list(self.pids.iterdir())
        return [file.name for file in files if psutil.pid_exists(int(file.read_text()))]


@pytest.fixture(autouse=True)
def _environment(monkeypatch, heard):
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        heard(number)


PARTS = ("launcher", None, 0, 1)


@pytest.mark.parametrize(
    ("number", "names"),
    [
        (signal.SIGTERM, ["launcher"]),
        (signal.SIGINT, ["launcher"]),
        (signal.SIGHUP, ["launcher"]),
        (signal.SIGTERM, [None]),
        (signal.SIGINT, [1]),
        (signal.SIGTERM, [0, 1]),
        (signal.SIGTERM, PARTS),  # as systemd and Slurm do
        (signal.SIGTERM, [*PARTS, *PARTS]),
        (signal.SIGHUP, PARTS),
    ],
)
def test_signal_to_any_part_lets_every_worker_save_and_end(number, names, tmp_path):
    job = Running(tmp_path, SAVES)
    assert job.run(lambda: job.send(number, *names)) == 0
    for rank in (0, 1):
        assert [line for line in job.log(rank) if "saved" in line] == [job.log(rank)[-1]]
    assert job.said == []
    assert not job.left


def test_workers_name_what_the_launcher_got(tmp_path):
    job = Running(tmp_path, SAVES)
    job.run(lambda: job.send(signal.SIGINT, "launcher"))
    assert job.log(0)[-1] == job.log(1)[-1] == "saved by Ctrl-C"


def test_scheduler_that_is_killed_costs_nothing_and_is_named(tmp_path):
    job = Running(tmp_path, SAVES)
    assert job.run(lambda: job.send(signal.SIGKILL, None)) == 1
    assert job.log(0)[-1] == job.log(1)[-1] == "saved by the end of the scheduler"
    (said,) = job.said
    assert "the scheduler was killed by SIGKILL" in said
    assert "the workers save and end" in said


def test_second_signal_kills_the_workers_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("acmix.utils.signals.SAME_REQUEST_SECONDS", 0.2)
    job = Running(tmp_path, IGNORES)

    def twice():
        job.send(signal.SIGTERM, "launcher")
        time.sleep(0.5)
        job.send(signal.SIGTERM, "launcher")

    assert job.run(twice) == 1
    assert job.seconds < SECONDS
    expected = "killed by a second signal; --resume auto goes on from the last checkpoint."
    assert job.said == [f"acmix launch: {expected}"]
    assert not job.left


def test_what_does_not_end_in_the_grace_period_is_killed_and_named_with_what_it_did(tmp_path):
    job = Running(tmp_path, IGNORES, grace=0.5)
    assert job.run(lambda: job.send(signal.SIGTERM, "launcher")) == 1
    assert job.seconds < SECONDS
    (said,) = job.said
    killed = "rank 0 (saving step 3), rank 1 (step 3)"
    assert f"after SIGTERM, not ended within 0.5 s and killed: {killed}. --resume auto" in said
    assert not job.left


@pytest.mark.parametrize(
    ("end", "how"),
    [
        ("sys.exit(7)", "ended with exit code 7"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "was killed by SIGKILL"),
        ("os.abort()", "was killed by SIGABRT"),
    ],
)
def test_worker_that_fails_ends_the_job_and_is_named_with_the_end_of_its_log(tmp_path, end, how):
    script = f"""
ready()
if rank == "0":
    time.sleep(600)
print("what went wrong\\n\\n---\\n- C++ Call Stack: (For framework developers)\\n---", flush=True)
print("line.cc:1\\n" * 20, flush=True)
{end}
"""
    job = Running(tmp_path, script)
    assert job.run() == 1
    assert job.seconds < SECONDS
    assert f"acmix launch: rank 1 {how}" in job.said[0]
    assert "; the job is stopped. --resume auto goes on from the last checkpoint." in job.said[0]
    assert "what went wrong" in job.console.getvalue()
    assert "line.cc" not in job.console.getvalue()
    assert not job.left


def test_mistake_of_the_user_has_its_own_remedy(tmp_path):
    job = Running(tmp_path, "ready()\nprint('error: mend it', flush=True)\nsys.exit(2)")
    assert job.run() == 1
    assert "--resume" not in job.said[0]
    assert "error: mend it" in job.console.getvalue()


def test_what_a_worker_has_started_does_not_stay_either(tmp_path):
    script = """
child = subprocess.Popen(["sleep", "600"], start_new_session=True)
with open(os.path.join(pids, f"child_{rank}"), "w") as file:
    file.write(str(child.pid))
ready()
os.kill(os.getpid(), signal.SIGKILL)
"""
    job = Running(tmp_path, script)
    assert job.run() == 1
    assert "child_0" in [path.name for path in job.pids.iterdir()]
    assert not job.left


LAUNCHER = """
import sys
from pathlib import Path
from acmix.launch import Job, launch
sys.exit(launch(Job("CPU", 2, bind=False), ["-uc", *sys.argv[1:3]], Path(sys.argv[3])))
"""


@pytest.mark.parametrize("also", [[], [0]])
def test_nothing_outlives_a_launcher_that_is_killed(tmp_path, also):
    job = Running(tmp_path, IGNORES)
    command = [sys.executable, "-c", LAUNCHER, job.script, str(job.pids), str(tmp_path / "logs")]
    launcher = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert launcher.stdout.readline() == b"ready\n"
    processes = psutil.Process(launcher.pid).children(recursive=True)
    assert len(processes) == 3  # scheduler, workers
    for name in also:
        job.send(signal.SIGKILL, name)
    launcher.kill()
    _, left = psutil.wait_procs(processes, timeout=SECONDS)
    assert all(process.status() == psutil.STATUS_ZOMBIE for process in left)
    launcher.communicate()


def test_worker_that_is_stopped_is_named_and_saves_when_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(progress, "STOPPED_SECONDS", 0.2)
    monkeypatch.setattr(supervisor, "_WATCH_SECONDS", 0.1)
    job = Running(tmp_path, SAVES)

    def hold():
        job.send(signal.SIGSTOP, 1)
        while not job.said:
            time.sleep(0.01)
        job.send(signal.SIGTERM, "launcher")

    assert job.run(hold) == 0
    stopped = "rank 1 is stopped by SIGSTOP; the job waits until it goes on."
    assert job.said == [f"acmix launch: {stopped}"]
    assert job.log(1)[-1] == "saved by SIGTERM"


def test_rank_that_the_others_wait_for_is_named_and_may_end_the_job(tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "_WATCH_SECONDS", 0.1)
    job = Running(tmp_path, IGNORES, notice=0.3, stall_limit=1)
    assert job.run() == 1
    assert any(
        "no progress for " in line and ": rank 0 (saving step 3); the other ranks wait." in line
        for line in job.said[:-1]
    )
    ended = "ended after 1 s without progress: rank 0 (saving step 3); the other ranks wait."
    assert ended in job.said[-1]


def test_progress_is_not_a_standstill(tmp_path, monkeypatch):
    monkeypatch.setattr(supervisor, "_WATCH_SECONDS", 0.1)
    script = "ready()\nfor i in range(25):\n    doing('step', i)\n    time.sleep(0.05)\n"
    job = Running(tmp_path, script, notice=0.9, stall_limit=0.9)
    assert job.run() == 0
    assert job.said == []


@pytest.mark.parametrize("code", [0, 2])
@pytest.mark.parametrize("end", ["os.abort()", "time.sleep(600)"])
def test_crash_or_hang_of_mindspore_after_the_work_is_no_failure_of_it(
    end, code, tmp_path, monkeypatch
):
    monkeypatch.setattr(supervisor, "_ENDING_SECONDS", 0.2)
    job = Running(tmp_path, f"ready()\nprint('the end', flush=True)\nfinished({code})\n{end}")
    assert job.run() == (1 if code else 0)
    assert "SIG" not in job.console.getvalue()
    assert not job.left


def test_lost_worker_of_another_node_is_looked_for_at_its_launcher(tmp_path, monkeypatch):
    monkeypatch.setenv("MS_NODE_TIMEOUT", "0")
    job = Running(tmp_path, "ready()\nraise SystemExit(1)")
    assert job.run(nodes=2, master="127.0.0.1") == 1
    assert "worker of another node was lost: the launcher of that node" in job.said[-1]


def test_signal_that_is_ignored_as_under_nohup_stays_ignored(tmp_path):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    job = Running(tmp_path, "ready()\ntime.sleep(0.5)\nprint('done', flush=True)")
    assert job.run(lambda: job.send(signal.SIGHUP, "launcher", 0)) == 0
    assert "done" in job.console.getvalue()


def test_signal_before_training_begins_is_not_called_a_crash(tmp_path):
    job = Running(tmp_path, "ready()\ntime.sleep(600)")
    assert job.run(lambda: job.send(signal.SIGTERM, "launcher")) == 1
    (said,) = job.said
    assert "rank 0, rank 1 was ended by SIGTERM: training had not begun" in said
    assert "there was nothing to save" in said


def test_worker_that_cannot_save_does_not_claim_that_training_had_not_begun(tmp_path):
    job = Running(tmp_path, "doing('step 9', 9)\nready()\ntime.sleep(600)")
    assert job.run(lambda: job.send(signal.SIGTERM, "launcher")) == 1
    assert "was ended by SIGTERM before it could save; --resume auto goes on" in job.said[0]


def test_run_folder_that_is_removed_does_not_take_the_report_with_it(tmp_path):
    script = """
ready()
print("folder is gone", flush=True)
time.sleep(0.5)
sys.exit(2)
"""
    job = Running(tmp_path, script)
    assert job.run(lambda: shutil.rmtree(tmp_path / "logs")) == 1
    assert "folder is gone" in job.console.getvalue().partition("The end of ")[2]


@pytest.mark.parametrize("option", ["grace", "notice", "stall_limit"])
def test_seconds_are_positive(option, tmp_path):
    with pytest.raises(UserError, match="must be positive"):
        launch(Job("CPU", 1), [], tmp_path, **{option: 0})


# The launcher's program with the small workers in the place of training.
PROGRAM = """
import sys
from acmix.launch import __main__ as program
launch = program.launch
script, pids = sys.argv[1:3]
program.launch = lambda job, training, logs, **options: launch(
    job, ["-uc", script, pids], logs, **options
)
sys.exit(program.main(sys.argv[3:]))
"""
TRAINS = """
ready()
for line in range(200):
    print("a line of the log", flush=True)
with open(os.path.join(pids, "trained.txt"), "a") as file:
    file.write(rank)
sys.exit(int({code}))
"""


@pytest.mark.parametrize("code", [0, 1])
@pytest.mark.parametrize("streams", [">&-", "2>&-", ">&- 2>&-", ">/dev/full", "| head -1"])
def test_console_that_is_closed_or_full_ends_nothing(streams, code, tmp_path):
    (tmp_path / "pids").mkdir()
    (tmp_path / "c.yaml").write_text("")
    # What waits for all three of a job waits for the scheduler and one worker.
    script = BEGIN.replace("< 3", "< 2") + TRAINS.format(code=code)
    command = [
        sys.executable, "-c", PROGRAM, script, str(tmp_path / "pids"), "--device", "cpu",
        "--workers", "1", "--no-bind", str(tmp_path / "c.yaml"), f"output={tmp_path}/run",
    ]  # fmt: skip
    shell = f'set -o pipefail; "$@" {streams}'
    done = subprocess.run(["bash", "-c", shell, "bash", *command], capture_output=True, timeout=120)
    assert done.returncode == code, done
    assert (tmp_path / "pids" / "trained.txt").read_text() == "0"


@pytest.mark.parametrize("output", ["{tmp}/file/run", "/proc/run", "{tmp}/file"])
def test_folder_that_cannot_be_written_is_one_line_before_anything_starts(output, tmp_path, capsys):
    from acmix.launch.__main__ import main

    (tmp_path / "file").write_text("")
    (tmp_path / "c.yaml").write_text("")
    output = output.format(tmp=tmp_path)
    words = ["--device", "cpu", "--workers", "1", str(tmp_path / "c.yaml"), f"output={output}"]
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert err.startswith(f"acmix launch: error: output: cannot write {output}: ")
    assert len(err.splitlines()) == 1
    assert not out

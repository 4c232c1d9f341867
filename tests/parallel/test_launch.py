"""The launcher's command line, and what it tells the processes of a job."""

import io
import subprocess

import pytest

from acmix.errors import UserError
from acmix.launch import Job, binding, launch
from acmix.launch import __main__ as main_module
from acmix.launch import job as job_module
from acmix.launch.__main__ import main

CORES = 8


@pytest.fixture
def _cores(monkeypatch):
    for module in (job_module, binding):
        monkeypatch.setattr(module, "available_cores", lambda: list(range(CORES)))


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


def test_workers_of_a_node_share_its_cores_and_threads():
    job = Job("CPU", 3)
    assert job.environment({})["OMP_NUM_THREADS"] == "2"
    assert job.cores() == [[0, 1], [2, 3], [4, 5]]
    assert Job("CPU", 2, bind=False).cores() == [None, None]


def test_threads_that_the_user_has_set_stay():
    assert Job("CPU", 2).environment({"OMP_NUM_THREADS": "7"})["OMP_NUM_THREADS"] == "7"


def test_only_a_lost_machine_is_limited_in_time_not_a_slow_rank(monkeypatch):
    monkeypatch.setenv("MS_NODE_TIMEOUT", "90")
    alone, several = Job("CPU", 2), Job("CPU", 2, nodes=2, master="10.0.0.1")
    week = str(7 * 86400)
    for job, limit in ((alone, week), (several, "90")):
        assert job.scheduler_environment()["MS_NODE_TIMEOUT"] == limit
        assert job.environment()["MS_HEARTBEAT_RETRY_TIMEOUT"] == limit
        assert job.worker_environment(1)["MS_NODE_TIMEOUT"] == week
        assert job.worker_environment(1)["MS_RECEIVE_MSG_TIMEOUT"] == week


def npu_smi_says(monkeypatch, answer):
    """Let MindSpore's reading of npu-smi print ``answer``."""

    def run(command, **_):
        return subprocess.CompletedProcess(command, 0, f"[WARNING] something\n{answer}\n", "")

    monkeypatch.setattr(binding.subprocess, "run", run)


def test_workers_get_the_cores_near_their_cards(monkeypatch):
    npu_smi_says(monkeypatch, '{"0": [0, 1], "1": [2, 3], "5": [6, 7, 99]}')
    assert Job("Ascend", 2).cores() == [[0, 1], [2, 3]]
    monkeypatch.setenv("ASCEND_RT_VISIBLE_DEVICES", "5,1")
    assert Job("Ascend", 2).cores() == [[2, 3], [6, 7]]


@pytest.mark.parametrize("answer", ["", "{}", '{"0": [], "1": []}', '{"0": "x", "1": "y"}', "[1]"])
def test_workers_share_the_cores_equally_where_npu_smi_does_not_tell(answer, monkeypatch):
    npu_smi_says(monkeypatch, answer)
    assert Job("Ascend", 2).cores() == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_nodes_number_their_workers_and_meet_at_the_master():
    job = Job("Ascend", 8, nodes=4, node_rank=2, master="10.0.0.1")
    assert list(job.ranks) == list(range(16, 24))
    environment = job.environment({}) | job.worker_environment(17)
    expected = {
        "MS_WORKER_NUM": "32", "RANK_SIZE": "32", "MS_NODE_ID": "17", "RANK_ID": "17",
        "DEVICE_ID": "1", "MS_ROLE": "MS_WORKER", "MS_SCHED_HOST": "10.0.0.1",
        "MS_SCHED_PORT": "8118",
    }  # fmt: skip
    assert {name: environment[name] for name in expected} == expected


def test_one_node_takes_a_free_port():
    ports = {Job("CPU", 2).environment()["MS_SCHED_PORT"] for _ in range(3)}
    assert all(1024 <= int(port) <= 65535 for port in ports)


def test_master_without_an_address_is_refused():
    with pytest.raises(UserError, match=r"--master no\.such\.host\.invalid"):
        Job("CPU", 1, nodes=2, master="no.such.host.invalid").environment()


def test_mistakes_are_one_line_and_exit_code_2(capsys):
    assert main(["--device", "cpu", "--workers", "2", "no_such.yaml"]) == 2
    assert main(["--device", "cpu", "--workers", "99", "x.yaml"]) == 2
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 2
    assert all(error.startswith("acmix launch: error: ") for error in errors)


def test_options_and_overrides_in_any_order(monkeypatch, tmp_path):
    given = []
    monkeypatch.setattr(main_module, "launch", lambda *job, **_: given.append(job[1]) or 0)
    config = tmp_path / "c.yaml"
    config.write_text("")
    words = f"seed=1 --device cpu {config} --workers 1 --resume auto output={tmp_path}/a optim.lr=1"
    assert main(words.split()) == 0
    expected = f"{config} seed=1 output={tmp_path}/a optim.lr=1 runtime.device=CPU --resume auto"
    assert given[0][3:] == expected.split()


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

"""The launcher: what it refuses, what it tells msrun, and the rank that failed."""

import io
import json
from pathlib import Path

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

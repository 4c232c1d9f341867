"""What a command writes is looked at before it does any work."""

from __future__ import annotations

import errno
import os
import subprocess
import sys

import pytest

from acmix.cli import main, make_parser
from acmix.cli.outputs import JsonOutput, OutputFile, OutputFolder
from acmix.config import TASK_CONFIGS

TYPES = {JsonOutput, OutputFile, OutputFolder}
NAMES = {"output", "json", *(option for cls in TASK_CONFIGS.values() for option in cls.eval_files)}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").write_text("a file")
    (tmp_path / "c.yaml").write_text("seed: 1")
    (tmp_path / "link").symlink_to("c.yaml")
    return tmp_path


def test_every_output_of_every_command_is_checked():
    found = set()
    for parser in make_parser().walk():
        for action in parser._actions:
            if action.dest in NAMES:
                checked = action.type in TYPES or parser.prog == "acmix check-ascend"
                assert checked, f"{parser.prog}: {action.dest}"
                found.add(action.dest)
    assert found == NAMES


COMMANDS = {
    "train c.yaml output={}": "output: ",
    "export c.yaml --checkpoint x --format mindir --output {}/net.mindir": "output: ",
    "predict x.onnx c.yaml --output {}": "output: ",
    "convert --from torch x.pth --model swin_tiny --output {}/o.ckpt": "output: ",
    "summary swin_tiny --json {}/a.json": "--json: ",
    "env --json {}/a.json": "--json: ",
    "plan c.yaml --devices 1 --json {}/a.json": "--json: ",
    "audit swin_tiny --json {}/a.json": "--json: ",
    "bench models swin_tiny --json {}/a.json": "--json: ",
    "bench data c.yaml --json {}/a.json": "--json: ",
    "eval c.yaml --checkpoint x --confusion {}/a.png": "confusion: ",
    "eval c.yaml --checkpoint x --json {}/a.json": "--json: ",
    "prepare --mindrecord c.yaml {}": "output: ",
    "ablate c.yaml --output {}": "output: ",
    "analyze curve run --output {}/a.png": "output: ",
    "analyze path-bias x.ckpt --output {}": "output: ",
    "analyze attention x.ckpt c.yaml --query 1,1 --output {}/a.png": "output: ",
    "check-ascend --output {}": "output: ",
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("place", ["taken", "/proc/run", "x" * 300])
def test_an_output_that_cannot_be_written_is_told_at_once(here, command, place, capsys):
    before = sorted(here.iterdir())
    assert main([word.format(place) for word in command.split()]) == 2
    error = capsys.readouterr().err
    assert f"error: {COMMANDS[command]}cannot write {place}" in error
    assert len(error.splitlines()) == 1
    assert sorted(here.iterdir()) == before


def test_training_into_a_full_disk_is_told_at_once(here, monkeypatch, capsys):
    def fail(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    assert main(["train", "c.yaml", "output=run"]) == 2
    expected = "output: cannot write run: no file can be made in . (No space left on device)."
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("plan c.yaml --devices 1 --json c.yaml", "c.yaml is the input c.yaml"),
        ("plan c.yaml --devices 1 --json ./c.yaml", "c.yaml is the input c.yaml"),
        ("bench data c.yaml --json c.yaml", "c.yaml is the input c.yaml"),
        ("summary --load c.yaml --json c.yaml", "c.yaml is the input c.yaml"),
        ("convert --to torch c.yaml --output c.yaml", "c.yaml is the input c.yaml"),
        ("eval c.yaml --checkpoint taken --confusion taken", "taken is the input taken"),
        ("analyze attention x taken --query 1,1 --output taken", "taken is the input taken"),
        ("plan c.yaml --devices 1 --json link", "link is a link, through which nothing is"),
        ("env --json /dev/null", "no regular file but a pipe, socket or device; --json takes -"),
        ("env --json .", "is a folder; name a file"),
    ],
)
def test_no_input_link_or_device_is_replaced(here, command, reason, capsys):
    assert main(command.split()) == 2
    assert reason in capsys.readouterr().err
    assert (here / "c.yaml").read_text() == "seed: 1"
    assert (here / "taken").read_text() == "a file"


def test_a_picture_of_an_unknown_kind_is_refused_before_the_evaluation(here, capsys):
    assert main(["eval", "c.yaml", "--checkpoint", "missing", "--confusion", "a.xyz"]) == 2
    assert "a.xyz has no suffix of a picture that can be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        ("missing", "missing: No such file or directory"),
        ("folder", "folder holds no images (known extensions: .jpg,"),
        ("pipe", "pipe is no regular file but a pipe, socket or device"),
    ],
)
def test_predict_looks_at_all_images_first(here, image, reason, capsys):
    (here / "folder").mkdir()
    os.mkfifo(here / "pipe")
    assert main(["predict", "c.yaml", "taken", image]) == 2
    assert reason in capsys.readouterr().err


def test_training_refuses_without_importing_mindspore(here):
    program = (
        "import sys\nfrom acmix.cli import main\n"
        "code = main(['train', 'c.yaml', 'output=taken'])\n"
        "sys.exit(code if 'mindspore' not in sys.modules else 99)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (
        2,
        "acmix train: error: output: cannot write taken: taken is a file.\n",
    )

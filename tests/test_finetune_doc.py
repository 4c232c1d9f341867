"""The commands of docs/finetune.md, one after the other, with a small network."""

from __future__ import annotations

import json
import os
import re
import shlex
from pathlib import Path

import pytest
from workplace import make_workplace

from acmix.cli import main

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "docs" / "finetune.md").read_text()
COMMANDS = [shlex.split(line) for line in re.findall(r"^ +acmix (.+)$", TEXT, re.M)]
SMALLER = (
    "train.epochs=1", "schedule.warmup_epochs=0", "data.image_size=32", "data.batch_size=4",
    "data.num_workers=1", "runtime.mode=pynative",
)  # fmt: skip


@pytest.mark.exhaustive
def test_the_commands_lead_from_a_folder_to_a_prediction(tmp_path, monkeypatch, capsys):
    make_workplace(tmp_path, monkeypatch)
    os.rename("swin_tiny.safetensors", COMMANDS[0][3])  # what a file is, its content says
    Path("configs").symlink_to(ROOT / "configs")
    run = Path("runs/finetune_acmix_swin_tiny")
    assert [command[0] for command in COMMANDS] == [
        "convert", "train", "eval", "predict", "analyze", "export", "predict",
    ]  # fmt: skip
    *before, served = COMMANDS
    for command in before:
        assert main([*command, *(SMALLER if command[0] == "train" else ())]) == 0, command
    config = (run / "config.yaml").read_text()
    assert "warm_start: exact" in config
    assert len(json.loads(Path("found/predictions.json").read_text())) > 0
    assert Path("found.csv").is_file()
    assert any((run / "pictures").iterdir())
    assert list(Path("path-bias").glob("*.csv"))
    pytest.importorskip("onnxruntime")
    capsys.readouterr()
    assert main(served) == 0
    assert capsys.readouterr().out.startswith("cat.jpg\n")

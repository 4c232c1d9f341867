"""A new kind of log is one class: training begins it, gives it every line and ends it."""

from __future__ import annotations

import json

import pytest

from acmix import workflows
from acmix.config import load_config
from acmix.engine.logs import LOGS, Log, register_log
from acmix.errors import UserError


@pytest.fixture
def recording():
    """A registered log that keeps what it is told."""
    told = []

    @register_log("recording")
    class Recording(Log):
        def begin(self, step):
            told.append(("begin", step, self.run))

        def add(self, record):
            told.append(dict(record))

        def close(self):
            told.append("close")

    yield told
    LOGS.remove("recording")


def configured(output, *overrides):
    return load_config(
        None,
        [
            "data.name=digits", "data.image_size=16", "data.channels=1", "data.mean=[0.3]",
            "data.std=[0.3]", "data.scale=null", "data.num_workers=1",
            "data.eval_batch_size=355", "runtime.mode=pynative",
            "model.kwargs={patch_size: 4, embed_dim: 12, depths: [1], num_heads: [1], "
            "window_size: 4}",
            "train.steps=3", "train.log_interval=2", f"output={output}", *overrides,
        ],
    )  # fmt: skip


def test_training_tells_a_log_every_line(tmp_path, recording):
    workflows.train(configured(tmp_path / "run", "train.log=[recording, recording]"))
    begin, *records, close = recording
    assert (begin, close) == (("begin", 0, tmp_path / "run"), "close")
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert records == [json.loads(line) for line in lines]
    assert [record["step"] for record in records] == [2, 3]


def test_a_log_ends_with_a_run_that_fails(tmp_path, recording):
    with pytest.raises(UserError, match="the loss is"):
        workflows.train(
            configured(tmp_path / "run", "train.log=[recording]", "optim.lr=1e30", "train.steps=9")
        )
    assert recording[-1] == "close"


def test_what_is_wrong_with_a_log_is_told_before_the_folder_is_touched(tmp_path):
    with pytest.raises(UserError, match=r"train\.log 'recordin' is unknown"):
        workflows.train(configured(tmp_path / "run", "train.log=[recordin]"))
    assert not (tmp_path / "run").exists()

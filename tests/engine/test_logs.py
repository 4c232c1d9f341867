"""Logs beside metrics.jsonl: they hold its numbers, also those of a run that goes on."""

from __future__ import annotations

import struct
import sys
from pathlib import Path

import mindspore as ms
import numpy as np
import pytest
from engine_toy import Blobs, toy_task

from acmix.config import Config
from acmix.engine import RunDir, Trainer
from acmix.engine.checkpoint import Progress
from acmix.engine.logs import open_logs
from acmix.errors import UserError
from acmix.parallel import World


def events(file):
    """The events of a file, whose records are length, checksum, content and checksum."""
    from tensorboardX.proto.event_pb2 import Event

    content = file.read_bytes()
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        yield Event.FromString(content[12 : 12 + length])
        content = content[16 + length :]


def history(folder):
    """Numbers by step as TensorBoard shows them: a START drops what is not before its step."""
    from tensorboardX.proto.event_pb2 import SessionLog

    shown = []
    for file in sorted(folder.glob("events.out.tfevents.*")):
        for event in events(file):
            if event.session_log.status == SessionLog.START:
                shown = [(step, numbers) for step, numbers in shown if step < event.step]
            if event.HasField("summary"):
                numbers = {value.tag: value.simple_value for value in event.summary.value}
                shown.append((event.step, numbers))
    return shown


def lines(run_dir):
    """The lines of metrics.jsonl in the same form."""
    shown = []
    for record in run_dir.metrics():
        scalars = {f"scalars/{name}": value for name, value in record.get("scalars", {}).items()}
        numbers = {name: v for name, v in record.items() if name not in ("step", "scalars")}
        known = {name: v for name, v in (numbers | scalars).items() if v is not None}
        shown.append((record["step"], pytest.approx(known, rel=1e-6)))
    return shown


def with_tensorboard(path):
    pytest.importorskip("tensorboardX")
    return RunDir(path, keep=9, logs=open_logs(["tensorboard"], path))


def fit(run_dir, epochs, resume=None, world=None):
    train = {"epochs": epochs, "log_interval": 4, "keep": 9}
    trainer = Trainer(
        toy_task(), Config.from_dict({"train": train}), run_dir, lambda: {"alpha": 0.5}, world
    )
    trainer.fit(Blobs(batches=6), Blobs(batches=1), resume=resume)
    run_dir.close()


def test_events_are_the_lines_of_a_run_that_goes_on_from_an_older_checkpoint(tmp_path):
    ms.set_context(mode=ms.PYNATIVE_MODE)
    run_dir = with_tensorboard(tmp_path)
    fit(run_dir, epochs=2)
    whole = history(tmp_path / "tensorboard")
    assert [step for step, _ in whole] == [4, 6, 8, 12]
    assert {"loss", "lr", "images_per_second", "top1", "val_loss"} < whole[-1][1].keys()
    assert whole == lines(run_dir)
    fit(with_tensorboard(tmp_path), 3, resume=tmp_path / "checkpoints" / "epoch_0001.ckpt")
    resumed = history(tmp_path / "tensorboard")
    assert [step for step, _ in resumed] == [4, 6, 8, 12, 16, 18]
    assert resumed == lines(run_dir)
    assert resumed[:2] == whole[:2]


def test_a_milestone_whose_evaluation_is_missing_is_written_again(tmp_path):
    for progress, steps in ((None, (5, 10)), (Progress(epoch=1, step=10, pending=True), (10, 15))):
        run_dir = with_tensorboard(tmp_path)
        run_dir.initialise("", progress)
        for step in steps:
            run_dir.log({"step": step, "loss": 1 / step, "grad_norm": None})
    assert [step for step, _ in history(tmp_path / "tensorboard")] == [5, 10, 15]
    assert history(tmp_path / "tensorboard") == lines(run_dir)


def test_a_number_that_is_none_stays_one(tmp_path):
    run_dir = with_tensorboard(tmp_path)
    run_dir.initialise("")
    run_dir.log({"step": 1, "loss": float("nan")})
    ((_, numbers),) = history(tmp_path / "tensorboard")
    assert np.isnan(numbers["loss"])


def test_full_disk_is_told(tmp_path):
    run_dir = with_tensorboard(tmp_path)
    run_dir.initialise("")
    (log,) = run_dir.logs
    log._file = log._package.RecordWriter("/dev/full")
    with pytest.raises(UserError, match="No space left on device"):
        run_dir.log({"step": 1, "loss": 1.0})


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path):
    run_dir = with_tensorboard(tmp_path)
    Path(tmp_path / "tensorboard").touch()
    with pytest.raises(UserError, match=r"tensorboard: File exists\."):
        run_dir.initialise("")


def test_missing_package_is_told_with_the_command(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(UserError, match=r"train\.log=\[tensorboard\].*'pip install tensorboardX'"):
        open_logs(["tensorboard"], tmp_path)


def test_unknown_log_is_told_with_the_nearest(tmp_path):
    with pytest.raises(UserError, match=r"train\.log 'tensorbord' is unknown.*'tensorboard'"):
        open_logs(["tensorbord"], tmp_path)


class Second(World):
    """The second of two devices, of which the first knows of no run to go on with."""

    def __init__(self):
        super().__init__(rank=1)


def test_only_the_first_device_writes(tmp_path):
    ms.set_context(mode=ms.PYNATIVE_MODE)
    fit(with_tensorboard(tmp_path), epochs=1, world=Second())
    assert not list(tmp_path.iterdir())

"""What training shows: the line of the run, its speed, and the rows."""

import re
import time

import mindspore as ms
import numpy as np
import pytest
from engine_toy import Blobs, toy_task

from acmix.config import Config, TrainConfig
from acmix.engine import RunDir, Trainer
from acmix.engine import console as console_module
from acmix.engine import speed as speed_module
from acmix.engine.checkpoint import Progress
from acmix.engine.console import TrainingConsole
from acmix.engine.meter import Meter
from acmix.engine.milestone_table import MilestoneTable
from acmix.engine.milestones import Milestones
from acmix.engine.speed import Speed
from acmix.engine.train_step import StepResult
from acmix.parallel import World
from acmix.utils.interruption import Interruption

RESULT = StepResult((1.0,), 2.0, True, 0.0)


def record(epoch, step, loss, **metrics):
    return {"epoch": epoch, "step": step, "loss": loss, "lr": 0.1, **metrics}


def printed(caplog):
    return [line.split() for line in caplog.messages]


def test_rows_are_aligned_under_a_header_and_the_best_so_far_are_marked(caplog):
    caplog.set_level("INFO")
    table = MilestoneTable({"top1": "top-1", "segm_mAP": "mask AP"}, epochs=3, step=0)
    for epoch, (score, best) in enumerate([(0.5, True), (0.25, False), (0.75, True)], start=1):
        line = record(epoch, 10 * epoch, 2.0 / epoch, top1=score, val_loss=1.5)
        table.add(line)
        table.row(line, 1234.5, best)
    header, *rows = printed(caplog)
    assert header == ["epoch", "loss", "val", "loss", "top-1", "lr", "images/s", "time"]
    assert [row[0] for row in rows] == ["1/3", "2/3", "3/3"]
    assert rows[0][1:6] == ["2.0000", "1.5000", "0.5000", "1.00e-01", "1234"]
    assert [row[-1] for row in rows] == ["best", "0:00", "best"]
    ends = [[match.end() for match in re.finditer(r"\S+", line)] for line in caplog.messages[1:]]
    assert {tuple(places[:6]) for places in ends} == {tuple(ends[0][:6])}
    assert [getattr(line, "style", None) for line in caplog.records] == [
        "header", "best", None, "best",
    ]  # fmt: skip


def test_loss_of_a_row_is_the_mean_over_all_steps_since_the_last(caplog):
    caplog.set_level("INFO")
    table = MilestoneTable({}, epochs=2, step=4)
    table.add(record(0.5, 7, 4.0))  # 3 steps
    table.add(record(0.8, 8, None))  # all of its steps were skipped
    last = record(1, 9, 2.0)
    table.add(last)
    table.row(last, None, best=False)
    assert printed(caplog)[1][1] == "3.5000"
    assert printed(caplog)[1][3] == "-"


def test_header_comes_again_when_the_columns_change_and_after_25_rows(caplog):
    caplog.set_level("INFO")
    table = MilestoneTable({"top1": "top-1"}, epochs=None, step=0)
    table.row(record(1, 1, 1.0), None, best=False)
    for step in range(2, 30):
        table.row(record(step, step, 1.0, top1=0.5), None, best=False)
    headers = [i for i, words in enumerate(printed(caplog)) if words[0] == "epoch"]
    assert headers == [0, 2, 27]


class Clock:
    """A clock that a test sets."""

    def __init__(self):
        self.now = 0.0

    def perf_counter(self):
        return self.now

    monotonic = perf_counter


def test_speed_leaves_out_what_is_before_a_start_and_follows_the_last_minute(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(speed_module, "time", clock)
    speed = Speed()
    assert speed.now is None
    assert speed.mean() is None
    clock.now = 500.0  # of compilation
    speed.start()
    for _ in range(10):
        clock.now += 2.0
        speed.add(8)
    assert speed.now == pytest.approx((4.0, 2.0))
    for _ in range(300):  # five minutes at twice the speed
        clock.now += 1.0
        speed.add(8)
    assert speed.now.images_per_second == pytest.approx(8.0, rel=0.01)
    assert speed.mean() == pytest.approx(310 * 8 / 320)
    assert speed.mean() is None


def test_images_per_second_leave_compilation_out():
    meter = Meter(("loss",))
    meter.add(1, 0.1, RESULT, 8, compilation=0.2)
    time.sleep(0.25)
    meter.add(2, 0.1, RESULT, 8)
    found = meter.flush()
    assert found["images_per_second"] == pytest.approx(8 / (found["seconds"] - 0.2))
    meter.add(3, 0.1, RESULT, 8, compilation=0.0)
    assert meter.flush()["images_per_second"] is None


@pytest.fixture
def pynative():
    ms.set_context(mode=ms.PYNATIVE_MODE)
    yield
    ms.set_context(mode=ms.GRAPH_MODE)


def fit(folder, caplog, world=None, **train):
    caplog.set_level("INFO")
    config = Config.from_dict({"data": {"batch_size": 8}, "train": {"epochs": 2, **train}})
    seen = []
    trainer = Trainer(
        toy_task(), config, RunDir(folder), world=world, evaluated=seen.append,
        headline={"top1": "top-1"},
    )  # fmt: skip
    trainer.fit(Blobs(4), Blobs(3, seed=1))
    return seen, trainer.run_dir.metrics()


def test_a_run_tells_compilation_and_has_a_row_per_epoch(tmp_path, caplog, pynative):
    metrics, records = fit(tmp_path, caplog, log_interval=1)
    lines = caplog.messages
    start = lines.index("running the first step ...")  # PyNative compiles nothing
    assert lines[start + 1].startswith("running the first step: done in 0:0")
    rows = [line.split() for line in lines[start + 2 :]]
    assert [row[0] for row in rows] == ["epoch", "1/2", "2/2"]
    losses = [found["loss"] for found in records]
    for row, of_epoch in zip(rows[1:], (losses[:4], losses[4:]), strict=True):
        assert float(row[1]) == pytest.approx(np.mean(of_epoch), abs=1e-4)
    assert records[0]["images_per_second"] is None  # of the first step alone
    assert records[1]["images_per_second"] > 0
    assert [metric.confusion.sum() for metric in metrics] == [24, 24]


class Second(World):
    """The second of several devices, alone."""

    def __init__(self):
        super().__init__()
        self.rank = 1


def test_other_ranks_say_and_draw_nothing(tmp_path, caplog, pynative):
    RunDir(tmp_path).initialise("")
    metrics, _ = fit(tmp_path, caplog, Second())
    assert not [line for line in caplog.messages if "first step" in line or "epoch" in line]
    assert metrics == []


def test_time_left_has_the_evaluations_that_come_without_compilation(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(console_module, "time", clock)
    monkeypatch.setattr(speed_module, "time", clock)
    rates = np.full(8, 0.1)
    milestones = Milestones(TrainConfig(epochs=2), rates, global_batch=8)
    progress = Progress(steps_per_epoch=4)
    console = TrainingConsole(milestones, progress, {}, World(), Interruption())
    for _ in range(4):
        with console.step(progress.step + 1, ((np.zeros((8, 1)),),)) as timed:
            clock.now += 60.0 if progress.step == 0 else 1.0
        progress = milestones.after_step(progress)
        console.after_step(progress, 0.1, RESULT, 8, timed)
    with console.evaluating(Blobs(3)) as data:
        for i, _ in enumerate(data.epoch(0)):
            clock.now += 30.0 if i == 0 else 2.0
    assert console.evaluation_seconds == 34
    assert timed.compilation is None
    console.resume()
    assert console._note(progress, 0.1).endswith("8 images/s  0:10 left")  # 4 steps, 3 batches

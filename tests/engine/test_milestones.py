"""Runs measured in optimizer steps: milestones inside epochs, and resuming at each of them."""

import logging
import os
import shutil
import signal

import mindspore as ms
import numpy as np
import pytest
from engine_toy import Blobs, toy_task

from acmix.config import Config, TrainConfig
from acmix.engine import RunDir, Trainer
from acmix.engine.checkpoint import Progress, read_checkpoint
from acmix.engine.milestones import Milestones
from acmix.errors import UserError

TIMES = ("images_per_second", "seconds", "eval_seconds")
TRAIN = {
    "steps": 7, "eval_steps": 2, "save_interval": 5, "log_interval": 5, "accumulate": 2,
    "ema_decay": 0.9, "keep": 9,
}  # fmt: skip
EVALUATED = [2, 4, 6, 7]


def fit(run_dir, train_data=None, val_data=None, resume=None, seed=0, **train):
    config = Config.from_dict(
        {
            "data": {"batch_size": 8},
            "optim": {"name": "adamw", "lr": 0.02},
            "schedule": {"name": "poly", "warmup_steps": 2},
            "train": {**TRAIN, **train},
        }
    )
    trainer = Trainer(toy_task(seed), config, run_dir, scalars=lambda: {"a": 1.0})
    # Six batches are three steps an epoch.
    return trainer.fit(train_data or Blobs(6), val_data or Blobs(2, seed=1), resume=resume)


def lines(run_dir):
    return [{k: v for k, v in record.items() if k not in TIMES} for record in run_dir.metrics()]


def names(run_dir):
    return sorted(path.name for path in run_dir.checkpoints.files())


def assert_same_run(first, second):
    assert lines(first) == lines(second)
    assert names(first) == names(second)
    for name in [*names(first), "last.ckpt", "best.ckpt"]:
        one, other = (read_checkpoint(run.checkpoints.path / name) for run in (first, second))
        assert one.progress == other.progress
        assert set(one.tensors) == set(other.tensors)
        for key, value in one.tensors.items():
            np.testing.assert_array_equal(value, other.tensors[key], err_msg=f"{name} {key}")


class Ending(Blobs):
    """Something ends the run while a batch is made."""

    def __init__(self, at, how, **kwargs):
        super().__init__(**kwargs)
        self.at, self.how, self.passes = at, how, 0

    def whole_epoch(self, epoch):
        self.passes += 1
        for i, batch in enumerate(super().whole_epoch(epoch)):
            if (epoch, i) == self.at or self.at == f"pass {self.passes}":
                self.how()
            yield batch


def killed():
    raise KeyboardInterrupt


def signalled():
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture(autouse=True, scope="module")
def pynative():
    """Without compiling; other modules test the same trainer in graph mode."""
    ms.set_context(mode=ms.PYNATIVE_MODE)
    yield
    ms.set_context(mode=ms.GRAPH_MODE)


@pytest.fixture(autouse=True)
def in_pynative(pynative):
    ms.set_context(mode=ms.PYNATIVE_MODE)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, pynative):
    run_dir = RunDir(tmp_path_factory.mktemp("whole") / "run", keep=9)
    fit(run_dir)
    return run_dir


@pytest.fixture
def run_dir(tmp_path):
    return RunDir(tmp_path / "run", keep=9)


def test_lines_checkpoints_and_best_are_those_of_the_milestones(whole):
    records = whole.metrics()
    assert [record["step"] for record in records] == [2, 4, 5, 6, 7]
    assert [record["epoch"] for record in records] == pytest.approx([2 / 3, 4 / 3, 5 / 3, 2, 7 / 3])
    with_metrics = [r for r in records if {"top1", "eval_seconds", "scalars"} <= set(r)]
    assert [record["step"] for record in with_metrics] == EVALUATED
    evaluated = {"top1", "top5", "val_loss", "eval_seconds", "scalars"}
    assert set(records[2]) == set(records[0]) - evaluated
    assert names(whole) == [
        "epoch_0002.ckpt", "step_00000002.ckpt", "step_00000004.ckpt", "step_00000005.ckpt",
        "step_00000007.ckpt",
    ]  # fmt: skip
    best = max(with_metrics, key=lambda record: (record["top1"], -record["step"]))
    folder = whole.checkpoints.path
    kept = read_checkpoint(folder / "best.ckpt").progress
    last = read_checkpoint(folder / "last.ckpt").progress
    final = whole.checkpoints.progress_of(folder / "last.ckpt", last)
    assert (kept.step, final.step, final.best_step) == (best["step"], 7, best["step"])
    assert (final.best, final.epoch, final.position) == (best["top1"], 2, 16)
    rates = 0.02 * (1 - np.array([1, 3, 4, 5, 6]) / 7) * [0.5, 1, 1, 1, 1]
    assert [record["lr"] for record in records] == pytest.approx(rates)


@pytest.mark.parametrize(
    ("train_data", "val_data", "newest"),
    [
        (None, Ending("pass 2", killed, batches=2, seed=1), "step_00000004.ckpt"),
        (None, Ending("pass 2", signalled, batches=2, seed=1), "step_00000004.ckpt"),
        (None, Ending("pass 3", killed, batches=2, seed=1), "epoch_0002.ckpt"),
        (Ending((1, 1), killed, batches=6), None, "step_00000002.ckpt"),
        (Ending((1, 4), killed, batches=6), None, "step_00000005.ckpt"),
        (Ending((0, 5), signalled, batches=6), None, "epoch_0001.ckpt"),
    ],
    ids=[
        "killed in the evaluation of step 4", "signal in the evaluation of step 4",
        "killed in the evaluation at an epoch's end", "killed in step 4", "killed after step 5",
        "signal in the last step of an epoch",
    ],
)  # fmt: skip
def test_an_interrupted_run_is_identical_to_the_last_bit(
    whole, run_dir, train_data, val_data, newest
):
    how = (train_data or val_data).how
    if how is killed:
        with pytest.raises(KeyboardInterrupt):
            fit(run_dir, train_data, val_data)
    else:
        assert fit(run_dir, train_data, val_data).stopped_by == "SIGTERM"
    latest = run_dir.checkpoints.latest()
    assert latest.name == newest
    at_milestone = newest not in ("step_00000005.ckpt", "epoch_0001.ckpt")
    assert read_checkpoint(latest).progress.pending == at_milestone
    assert fit(run_dir, resume="auto", seed=9).stopped_by is None
    if newest == "epoch_0001.ckpt":  # the only one that the signal has made
        latest.unlink()
    assert_same_run(whole, run_dir)


def test_a_milestone_without_a_record_of_its_evaluation_has_each_line_once(whole, tmp_path):
    shutil.copytree(whole.path, tmp_path / "run")
    run_dir = RunDir(tmp_path / "run", keep=9)
    (run_dir.checkpoints.path / "manifest.json").unlink()
    fit(run_dir, resume=run_dir.checkpoints.path / "step_00000004.ckpt", seed=9)
    assert_same_run(whole, run_dir)


def test_a_run_that_ends_inside_an_epoch_is_evaluated_there_and_may_be_lengthened(run_dir, caplog):
    settings = {"eval_steps": None, "eval_interval": 2, "save_interval": None}
    result = fit(run_dir, **settings, steps=4)
    assert (result.progress.step, result.progress.epoch, result.progress.position) == (4, 1, 16)
    assert result.progress.is_concluded
    assert [(r["step"], "top1" in r, "scalars" in r) for r in run_dir.metrics()] == [
        (3, False, True), (4, True, True),
    ]  # fmt: skip
    assert names(run_dir) == ["epoch_0001.ckpt", "step_00000004.ckpt"]
    assert fit(run_dir, **settings, steps=7, resume="auto").progress.step == 7
    # Step 5 is a multiple of log_interval.
    assert [(r["step"], "top1" in r) for r in run_dir.metrics()] == [
        (3, False), (4, True), (5, False), (6, True), (7, True),
    ]  # fmt: skip
    with caplog.at_level(logging.INFO):
        result = fit(run_dir, **settings, steps=5, resume="auto")
    assert "Nothing is left to train: 7 steps are done, train.steps=5." in caplog.text
    assert (result.stopped_by, result.progress.step) == (None, 7)


def test_milestones_in_steps_end_with_the_last_epoch(run_dir):
    result = fit(run_dir, steps=None, epochs=1, save_interval=None)
    assert (result.progress.epoch, result.progress.step) == (1, 3)
    assert [r["step"] for r in run_dir.metrics() if "top1" in r] == [2, 3]
    assert names(run_dir) == ["epoch_0001.ckpt", "step_00000002.ckpt"]


def test_best_milestone_is_linked_again_when_the_run_continues_before_a_better_one(whole, tmp_path):
    shutil.copytree(whole.path, tmp_path / "run")
    folder = RunDir(tmp_path / "run").checkpoints
    folder.move_after(2, tmp_path / "aside")
    (folder.path / "best.ckpt").unlink(missing_ok=True)
    folder.move_after(2, tmp_path / "aside")
    assert read_checkpoint(folder.path / "best.ckpt").progress.step == 2


def test_data_with_fewer_batches_than_its_length_is_told(run_dir):
    class Short(Blobs):
        def __len__(self):
            return 8

    with pytest.raises(UserError, match="Epoch 0 of the training data ended after step 3; its len"):
        fit(run_dir, Short(6), eval_steps=None)


def milestones(length, **train):
    return Milestones(TrainConfig(**train), np.arange(length) / 1.0, global_batch=32)


def test_learning_rates_follow_the_steps_or_the_epochs_on_another_number_of_workers():
    # Made with 16 images a step in epochs of 6 steps; now 3 steps of 32 images.
    progress = Progress(epoch=2, step=14, steps_per_epoch=3, workers=2, position=32)
    by_step, by_epoch = milestones(20, steps=20), milestones(30, epochs=10)
    assert (by_step.last_rate(progress), by_step.next_rate(progress)) == (13, 14)
    assert (by_epoch.last_rate(progress), by_epoch.next_rate(progress)) == (6, 7)
    assert by_step.after_step(progress) == Progress(
        epoch=2, step=15, steps_per_epoch=3, workers=2, position=64
    )
    assert by_step.after_step(by_step.after_step(progress)) == Progress(
        epoch=3, step=16, steps_per_epoch=3, workers=2
    )


def test_an_epoch_that_has_fewer_steps_now_is_ended_by_its_last_one():
    progress = Progress(epoch=0, step=6, steps_per_epoch=3, position=97)
    assert progress.steps_inside(32) == 2
    after = milestones(9, epochs=3).after_step(progress)
    assert (after.epoch, after.step, after.position) == (1, 7, 0)


def test_rate_before_the_first_step_is_that_of_the_first():
    assert milestones(5, steps=5).last_rate(Progress(steps_per_epoch=5)) == 0


@pytest.mark.parametrize(
    ("train", "bar"),
    [({"steps": 40}, ("steps", 40, 8)), ({"epochs": 9}, ("epoch 3/9", 27, 7))],
)
def test_bar_is_of_the_whole_run_in_steps(train, bar):
    progress = Progress(epoch=2, step=8, steps_per_epoch=3, position=32)
    of_run = milestones(bar[1], **train)
    assert (of_run.title(progress), of_run.total, of_run.done(progress)) == bar


def test_title_names_the_epoch_that_was_completed_last():
    of_run = milestones(9, epochs=3)
    after = [Progress(epoch=k, step=3 * k, steps_per_epoch=3) for k in range(4)]
    titles = [of_run.title(progress) for progress in after]
    assert titles == ["epoch 1/3", "epoch 1/3", "epoch 2/3", "epoch 3/3"]


@pytest.mark.parametrize(
    "train",
    [
        {"epochs": 5},
        {"epochs": 5, "eval_interval": 2},
        {"epochs": 5, "eval_interval": 7},
        {"steps": 14, "eval_steps": 4},
        {"epochs": 5, "eval_steps": 2},
        {"steps": 14, "eval_interval": 3},
    ],
)
def test_evaluations_left_are_those_that_come(train):
    of_run = milestones(train.get("steps", 15), **train)
    progress, left, evaluated = Progress(steps_per_epoch=3), [], []
    while not of_run.is_end(progress):
        left.append(of_run.evaluations_left(progress))
        progress = of_run.after_step(progress)
        due = of_run.is_milestone(progress) and of_run.evaluates(progress)
        evaluated.append(due)
    assert left == [sum(evaluated[i:]) for i in range(len(evaluated))]

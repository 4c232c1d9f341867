"""A resumed run ends exactly like an uninterrupted one, random numbers included."""

import logging
import shutil

import mindspore as ms
import numpy as np
import pytest
from engine_toy import Blobs, toy_task

from acmix.config import Config
from acmix.engine import RunDir, Trainer
from acmix.engine.checkpoint import read_checkpoint
from acmix.errors import UserError

TIMES = ("images_per_second", "seconds", "eval_seconds")

SETTINGS = {
    "adamw, accumulation, average": {
        "optim": {"name": "adamw", "lr": 0.01, "clip_norm": 1.0},
        "schedule": {"name": "cosine", "warmup_epochs": 1.5},
        "train": {"epochs": 4, "accumulate": 2, "ema_decay": 0.9, "log_interval": 2, "keep": 9},
    },
    "sgd, mixed precision": {
        "optim": {"name": "sgd", "lr": 0.1, "nesterov": True},
        "train": {"epochs": 4, "amp": "O2", "loss_scale": "dynamic", "log_interval": 2, "keep": 9},
    },
}

AVERAGED = SETTINGS["adamw, accumulation, average"]


class Interrupted(Blobs):
    """Ctrl-C in the middle of an epoch."""

    def __init__(self, at_epoch, **kwargs):
        super().__init__(**kwargs)
        self.at_epoch = at_epoch

    def whole_epoch(self, epoch):
        for i, batch in enumerate(super().whole_epoch(epoch)):
            if epoch == self.at_epoch and i == 4:
                raise KeyboardInterrupt
            yield batch


def fit(run_dir, settings, train_data=None, resume=None, model_seed=0):
    trainer = Trainer(toy_task(model_seed), Config.from_dict(settings), run_dir)
    return trainer.fit(train_data or Blobs(), Blobs(batches=2, seed=1, padded=3), resume=resume)


def history(run_dir):
    return [
        {name: value for name, value in record.items() if name not in TIMES}
        for record in run_dir.metrics()
    ]


class Failing(Blobs):
    """The data of an evaluation cannot be read."""

    def __init__(self, error, **kwargs):
        super().__init__(**kwargs)
        self.error = error

    def whole_epoch(self, epoch):
        yield from super().whole_epoch(epoch)
        raise self.error


def assert_same_run(first, second):
    assert history(first) == history(second)
    for name in ("last.ckpt", "best.ckpt"):
        tensors, progress = read_checkpoint(first.checkpoints.path / name)[:2]
        others, other_progress = read_checkpoint(second.checkpoints.path / name)[:2]
        assert progress == other_progress
        assert set(tensors) == set(others)
        for key, value in tensors.items():
            np.testing.assert_array_equal(value, others[key], err_msg=key)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run of :data:`AVERAGED`, to be copied."""
    ms.set_context(mode=ms.GRAPH_MODE)  # which other tests find set; the modes differ by rounding
    run_dir = RunDir(tmp_path_factory.mktemp("finished"), keep=9)
    shutil.rmtree(run_dir.path)
    fit(run_dir, AVERAGED)
    return run_dir


@pytest.fixture
def run_dir(finished, tmp_path):
    """A copy of the finished run."""
    shutil.copytree(finished.path, tmp_path / "run")
    return RunDir(tmp_path / "run", keep=9)


@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_run_interrupted_twice_is_identical_to_the_last_bit(tmp_path, settings):
    whole, parts = RunDir(tmp_path / "whole", keep=9), RunDir(tmp_path / "parts", keep=9)
    fit(whole, settings)
    # Other initial weights than the first time must not matter.
    for at_epoch, model_seed in ((1, 0), (3, 98)):
        with pytest.raises(KeyboardInterrupt):
            fit(parts, settings, Interrupted(at_epoch), resume="auto", model_seed=model_seed)
    fit(parts, settings, resume="auto", model_seed=99)
    assert_same_run(whole, parts)


@pytest.mark.parametrize("error", [UserError("no image."), MemoryError(), KeyboardInterrupt()])
def test_an_epoch_survives_any_error_of_its_evaluation(finished, tmp_path, error):
    run_dir = RunDir(tmp_path / "run", keep=9)
    trainer = Trainer(toy_task(), Config.from_dict(AVERAGED), run_dir)
    with pytest.raises(type(error)):
        trainer.fit(Blobs(), Failing(error, batches=2, seed=1, padded=3))
    assert run_dir.checkpoints.latest().name == "epoch_0001.ckpt"
    assert not read_checkpoint(run_dir.checkpoints.latest()).progress.is_concluded
    fit(run_dir, AVERAGED, resume="auto", model_seed=9)
    assert_same_run(finished, run_dir)


def test_a_run_killed_between_evaluation_and_manifest_has_each_line_once(finished, run_dir):
    (run_dir.checkpoints.path / "manifest.json").unlink()
    fit(run_dir, AVERAGED, resume="auto", model_seed=9)
    assert_same_run(finished, run_dir)


def test_a_checkpoint_copied_alone_is_evaluated_first(finished, tmp_path):
    copied = tmp_path / "copied.ckpt"
    shutil.copy(finished.checkpoints.path / "epoch_0003.ckpt", copied)
    other = RunDir(tmp_path / "other", keep=9)
    fit(other, AVERAGED, resume=copied, model_seed=9)
    assert history(other) == [line for line in history(finished) if line["step"] >= 9]


def test_newer_checkpoints_and_lines_are_kept_aside(finished, run_dir):
    fit(run_dir, AVERAGED, resume=run_dir.checkpoints.path / "epoch_0002.ckpt", model_seed=5)
    aside = run_dir.path / "replaced" / "after_step_6"
    names = {path.name for path in aside.iterdir()}
    assert {"epoch_0003.ckpt", "epoch_0004.ckpt", "metrics.jsonl"} <= names
    assert (aside / "metrics.jsonl").read_text() == finished.metrics_file.read_text()
    assert_same_run(finished, run_dir)


def test_run_interrupted_in_pynative_mode_is_identical_to_the_last_bit(tmp_path):
    ms.set_context(mode=ms.PYNATIVE_MODE)
    try:
        whole, parts = RunDir(tmp_path / "whole", keep=9), RunDir(tmp_path / "parts", keep=9)
        fit(whole, AVERAGED)
        with pytest.raises(KeyboardInterrupt):
            fit(parts, AVERAGED, Interrupted(1), resume="auto")
        fit(parts, AVERAGED, resume="auto", model_seed=99)
    finally:
        ms.set_context(mode=ms.GRAPH_MODE)
    assert_same_run(whole, parts)


def test_random_numbers_differ_from_epoch_to_epoch_and_their_state_is_saved(finished):
    states = [
        tuple(read_checkpoint(path)[0]["drop.random_state"])
        for path in finished.checkpoints.path.glob("epoch_*.ckpt")
    ]
    assert len(states) == len(set(states)) == 4


def test_resuming_from_an_older_checkpoint_rewrites_what_came_after(finished, run_dir):
    (run_dir.checkpoints.path / "last.ckpt").unlink()
    fit(run_dir, AVERAGED, resume=run_dir.checkpoints.path / "epoch_0001.ckpt", model_seed=5)
    assert_same_run(finished, run_dir)


def test_checkpoint_of_another_run_continues_in_a_new_folder(finished, tmp_path):
    other = RunDir(tmp_path / "other")
    result = fit(other, AVERAGED, resume=finished.checkpoints.path / "epoch_0003.ckpt")
    assert result.progress.epoch == 4
    assert other.metrics()[0]["step"] > 9


def test_checkpoint_of_another_run_does_not_overwrite_a_used_folder(finished, run_dir):
    with pytest.raises(UserError, match="already holds a run"):
        fit(run_dir, AVERAGED, resume=finished.checkpoints.path / "epoch_0003.ckpt")


def test_finished_run_resumed_trains_nothing(finished, run_dir):
    progress = fit(run_dir, AVERAGED, resume="auto").progress
    assert progress.epoch == 4
    assert run_dir.metrics() == finished.metrics()


@pytest.mark.parametrize(
    ("changes", "batches", "message"),
    [
        ({"seed": 3}, 6, "seed=0, now it is 3"),
        ({}, 8, "steps_per_epoch=3, now it is 4"),
        ({"optim": {"name": "sgd"}}, 6, r"missing: optimizer/.*unexpected: optimizer/"),
    ],
    ids=["seed", "steps", "optimizer"],
)
def test_checkpoint_that_does_not_fit_the_run_is_refused(run_dir, changes, batches, message):
    with pytest.raises(UserError, match=message):
        fit(run_dir, {**AVERAGED, **changes}, Blobs(batches), resume="auto")


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_damaged_newest_checkpoint_is_passed_over_and_made_anew(finished, run_dir, damage, caplog):
    newest = run_dir.checkpoints.latest()
    for alias in ("last.ckpt", "best.ckpt"):  # the same file, where nobody copied the folder
        (newest.parent / alias).unlink()
    content = newest.read_bytes()
    newest.write_bytes(
        {
            "cut": content[:-100],
            "flipped": content[:200] + bytes([content[200] ^ 4]) + content[201:],
        }[damage]
    )
    with caplog.at_level(logging.INFO):
        fit(run_dir, AVERAGED, resume="auto", model_seed=7)
    assert caplog.text.count("epoch_0004.ckpt is passed over") == 1
    assert "epoch_0003.ckpt, made at step" in caplog.text
    assert_same_run(finished, run_dir)


def test_nothing_is_trained_when_all_checkpoints_are_damaged(run_dir):
    for file in run_dir.checkpoints.path.glob("*.ckpt"):
        file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(UserError, match=r"All checkpoints in .* are damaged"):
        fit(run_dir, AVERAGED, resume="auto")


def test_run_of_a_version_without_manifest_is_resumed(finished, run_dir):
    (run_dir.checkpoints.path / "manifest.json").unlink()
    (run_dir.checkpoints.path / "epoch_0004.ckpt").unlink()
    (run_dir.checkpoints.path / "last.ckpt").unlink()
    fit(run_dir, AVERAGED, resume="auto", model_seed=7)
    assert_same_run(finished, run_dir)

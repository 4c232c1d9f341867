"""Signals, checkpoints inside an epoch, other numbers of workers, losses that are not finite."""

import os
import signal
from dataclasses import replace

import mindspore as ms
import numpy as np
import pytest
from engine_toy import Blobs, toy_task
from mindspore import Tensor, nn, ops

from acmix.config import Config
from acmix.engine import RunDir, Trainer
from acmix.engine.checkpoint import Progress, read_checkpoint
from acmix.engine.meter import Meter
from acmix.engine.moving_statistics import MovingStatistics
from acmix.engine.resume import resume_run
from acmix.engine.step_functions import MOST_JOINED
from acmix.engine.train_step import StepResult
from acmix.errors import UserError
from acmix.parallel import World
from acmix.tasks.classification.objective import ClassificationObjective
from acmix.utils.interruption import Interrupted
from acmix.utils.signals import name_of

TIMES = ("images_per_second", "seconds", "eval_seconds")
SETTINGS = {
    "data": {"batch_size": 8},
    "optim": {"name": "adamw", "lr": 0.01},
    "train": {
        "epochs": 2, "accumulate": 2, "ema_decay": 0.9, "log_interval": 1, "keep": 9,
        "save_interval": 2,
    },
}  # fmt: skip
BATCHES = 12  # six steps an epoch


class Signalled(Blobs):
    """A signal arrives while a batch is made."""

    def __init__(self, at, number=signal.SIGTERM, **kwargs):
        super().__init__(**kwargs)
        self.at, self.number = at, number

    def whole_epoch(self, epoch):
        for i, batch in enumerate(super().whole_epoch(epoch)):
            if (epoch, i) == self.at:
                os.kill(os.getpid(), self.number)
            yield batch


def fit(run_dir, data=None, resume=None, settings=SETTINGS, seed=0):
    trainer = Trainer(toy_task(seed), Config.from_dict(settings), run_dir)
    return trainer.fit(data or Blobs(BATCHES), Blobs(1, seed=1), resume=resume)


def history(run_dir):
    return [
        {name: value for name, value in record.items() if name not in TIMES}
        for record in run_dir.metrics()
    ]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An uninterrupted run."""
    ms.set_context(mode=ms.GRAPH_MODE)  # as tests have it, which begin later
    run_dir = RunDir(tmp_path_factory.mktemp("whole") / "run", keep=9)
    fit(run_dir)
    return run_dir


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_training_after_the_step_with_a_checkpoint(tmp_path, number, whole):
    run_dir = RunDir(tmp_path, keep=9)
    before = signal.getsignal(number)
    result = fit(run_dir, Signalled((0, 5), number, batches=BATCHES))
    assert signal.getsignal(number) is before
    # While it works, MindSpore turns SIGINT into SIGTERM, unless Interruption was there before.
    assert result.stopped_by in (name_of(number), "SIGTERM")
    # Batches 4 and 5 are of step 3.
    assert (result.progress.step, result.progress.epoch, result.progress.position) == (3, 0, 48)
    assert run_dir.checkpoints.latest().name == "step_00000003.ckpt"
    resumed = fit(run_dir, resume="auto", seed=7)
    assert resumed.stopped_by is None
    assert history(run_dir) == history(whole)
    tensors, progress = read_checkpoint(run_dir.checkpoints.path / "last.ckpt")[:2]
    expected, expected_progress = read_checkpoint(whole.checkpoints.path / "last.ckpt")[:2]
    assert progress == expected_progress
    for name, value in expected.items():
        np.testing.assert_array_equal(tensors[name], value, err_msg=name)


@pytest.mark.parametrize("place", ["reading", "computing"])
def test_signal_in_an_evaluation_ends_it_at_once_and_the_epoch_is_saved(
    place, tmp_path, monkeypatch, whole
):
    run_dir = RunDir(tmp_path, keep=9)
    trainer = Trainer(toy_task(0), Config.from_dict(SETTINGS), run_dir)
    val_data = Signalled((0, 0), batches=1, seed=1)
    if place == "computing":
        val_data = Blobs(1, seed=1)

        def compute(metric):
            os.kill(os.getpid(), signal.SIGTERM)
            pytest.fail("went on")

        monkeypatch.setattr(type(trainer.objective.metric()), "compute", compute)
    result = trainer.fit(Blobs(BATCHES), val_data)
    monkeypatch.undo()
    assert result.stopped_by == "SIGTERM"
    assert (result.progress.epoch, result.progress.is_concluded) == (1, False)
    assert run_dir.checkpoints.latest().name == "epoch_0001.ckpt"
    assert fit(run_dir, resume="auto", seed=7).stopped_by is None
    assert history(run_dir) == history(whole)


def test_signal_before_the_first_step_ends_at_once_and_saves_nothing(tmp_path):
    run_dir = RunDir(tmp_path)
    with pytest.raises(Interrupted, match="before the first step: there is nothing to save"):
        fit(run_dir, Signalled((0, 0), batches=BATCHES))
    assert not run_dir.checkpoints.files()


def test_signal_while_an_epoch_is_saved_leaves_it_whole_and_not_evaluated(tmp_path, monkeypatch):
    run_dir = RunDir(tmp_path)
    save = run_dir.checkpoints.save

    def signalled(state, progress, *rest):
        os.kill(os.getpid(), signal.SIGTERM)
        save(state, progress, *rest)

    monkeypatch.setattr(run_dir.checkpoints, "save", signalled)
    result = fit(run_dir, settings={**SETTINGS, "train": {"epochs": 2, "accumulate": 2}})
    assert (result.progress.epoch, result.progress.is_concluded) == (1, False)
    assert run_dir.checkpoints.latest().name == "epoch_0001.ckpt"


def test_checkpoints_lie_inside_epochs_at_the_interval_and_at_their_ends(whole):
    names = sorted(path.name for path in whole.checkpoints.files())
    assert names == [
        "epoch_0001.ckpt", "epoch_0002.ckpt", "step_00000002.ckpt", "step_00000004.ckpt",
        "step_00000008.ckpt", "step_00000010.ckpt",
    ]  # fmt: skip
    inside = read_checkpoint(whole.checkpoints.path / "step_00000008.ckpt")[1]
    assert (inside.epoch, inside.position) == (1, 2 * 16)


@pytest.fixture
def taken_up(whole, tmp_path):
    """How a run with another number of workers takes up step 8: 32 images inside epoch 1."""

    def take(workers, steps_per_epoch, global_batch):
        fresh = Progress(seed=0, steps_per_epoch=steps_per_epoch, workers=workers)
        trainer = Trainer(toy_task(), Config.from_dict(SETTINGS), RunDir(tmp_path / "other"))
        path = whole.checkpoints.path / "step_00000008.ckpt"
        return resume_run(trainer.run_dir, path, trainer.state, fresh, global_batch)[0]

    return take


def test_other_workers_go_on_behind_the_images_that_were_seen(taken_up):
    progress = taken_up(workers=2, steps_per_epoch=3, global_batch=32)
    assert (progress.epoch, progress.position, progress.step) == (1, 32, 8)
    assert (progress.workers, progress.steps_per_epoch) == (2, 3)


def test_images_of_a_step_that_was_not_whole_are_seen_again_and_said_so(taken_up, caplog):
    caplog.set_level("INFO")
    assert taken_up(workers=3, steps_per_epoch=4, global_batch=24).position == 24
    assert "of which 8 are seen again" in caplog.text


def test_evaluation_of_a_step_is_of_that_step_on_other_workers_too(whole, tmp_path, caplog):
    """Images of an incomplete step are seen again after it."""
    caplog.set_level("INFO")
    state = Trainer(toy_task(), Config.from_dict(SETTINGS), RunDir(tmp_path / "other")).state
    folder = RunDir(tmp_path / "run").checkpoints
    path = folder.save(
        state, Progress(epoch=1, step=8, steps_per_epoch=6, position=32, pending=True)
    )
    fresh = Progress(seed=0, steps_per_epoch=2, workers=3)
    progress = resume_run(RunDir(tmp_path / "run"), path, state, fresh, 48)[0]
    assert (progress.position, progress.pending, progress.steps_inside(48)) == (32, True, 0)
    assert "and 32 images of the next, of which 32 are seen again" in caplog.text


def test_last_step_of_an_epoch_is_left_where_it_has_fewer_now(whole, tmp_path):
    settings = Config.from_dict(SETTINGS)
    trainer = Trainer(toy_task(), settings, RunDir(tmp_path / "other"))
    path = whole.checkpoints.path / "step_00000010.ckpt"  # after 64 images
    fresh = Progress(seed=0, steps_per_epoch=2, workers=2)
    progress = resume_run(trainer.run_dir, path, trainer.state, fresh, 32)[0]
    assert progress.position == 32


def test_other_length_of_an_epoch_on_as_many_workers_is_refused(taken_up):
    with pytest.raises(UserError, match="steps_per_epoch=6, now it is 3"):
        taken_up(workers=1, steps_per_epoch=3, global_batch=32)


class Lossless(Blobs):
    """Images of one step are not finite."""

    def whole_epoch(self, epoch):
        for i, (images, labels) in enumerate(super().whole_epoch(epoch)):
            yield (images * np.nan if (epoch, i) == (0, 2) else images), labels


def without_step(run_dir, on_nonfinite, interval=4, world=None):
    train = {"epochs": 1, "on_nonfinite": on_nonfinite, "log_interval": interval}
    # Without ReLU, which on CPU turns NaN into 0.
    linear = nn.SequentialCell(nn.BatchNorm2d(1), nn.Flatten(), nn.Dense(16, 4))
    task = ClassificationObjective(linear, num_classes=4)
    config = Config.from_dict({**SETTINGS, "train": train})
    return Trainer(task, config, run_dir, world=world).fit(Lossless(8))


def test_lost_step_is_left_out_and_counted(tmp_path):
    run_dir = RunDir(tmp_path)
    without_step(run_dir, "skip")
    records = run_dir.metrics()
    assert [record["skipped"] for record in records] == [1, 0]
    assert all(np.isfinite(record["loss"]) for record in records)
    tensors, _ = read_checkpoint(run_dir.checkpoints.latest())[:2]
    assert all(np.isfinite(value).all() for value in tensors.values()), "running statistics too"
    assert tensors["optimizer/global_step"] == 7


def test_lost_step_stops_training_and_is_named_with_rate_and_last_good_checkpoint(tmp_path):
    with pytest.raises(UserError) as error:
        without_step(RunDir(tmp_path), "stop")
    message = str(error.value)
    assert "Training diverged at step 3 (lr=0.00" in message
    assert "the loss is nan" in message
    assert "Last good checkpoint: none yet" in message


def test_network_that_diverged_unseen_is_told_with_the_step_by_its_evaluation(tmp_path):
    train = {"epochs": 1, "on_nonfinite": "skip", "log_interval": 1}
    linear = nn.SequentialCell(nn.Flatten(), nn.Dense(16, 4))
    task = ClassificationObjective(linear, num_classes=4)
    trainer = Trainer(task, Config.from_dict({**SETTINGS, "train": train}), RunDir(tmp_path))
    with pytest.raises(
        UserError, match=r"NaN or Inf.*evaluation after step 2\. .*epoch_0001\.ckpt"
    ):
        trainer.fit(Blobs(2), Lossless(3))


class Elsewhere(World):
    """Another machine than that of the first rank, which alone has checkpoints."""

    def broadcast(self, value):
        return "first/epoch_0007.ckpt" if value is None else value


def test_last_good_checkpoint_is_that_of_the_first_rank_on_every_machine(tmp_path):
    with pytest.raises(UserError, match=r"Last good checkpoint: first/epoch_0007\.ckpt"):
        without_step(RunDir(tmp_path), "stop", world=Elsewhere(rank=1))


def test_losses_of_all_devices_count_as_images():
    meter = Meter(("loss",), devices=4)
    meter.add(1, 0.1, StepResult((1.0,), 2.0, True, 0.0), 8)
    record = meter.flush()
    assert record["images_per_second"] * record["seconds"] == pytest.approx(32)


def test_moving_statistics_of_a_lost_step_are_those_before(mode):
    network = toy_task().model
    moving = MovingStatistics(network)
    mean, variance = network.norm.moving_mean, network.norm.moving_variance
    ops.assign(mean, Tensor(np.arange(8, dtype=np.float32)))
    moving.update(Tensor(True))
    ops.assign(mean, Tensor(np.full(8, np.nan, np.float32)))
    moving.update(Tensor(False))
    np.testing.assert_array_equal(mean.asnumpy(), np.arange(8))
    np.testing.assert_array_equal(variance.asnumpy(), np.ones(8))


def test_more_statistics_than_are_joined_at_once_are_restored(mode):
    norms = nn.SequentialCell([nn.BatchNorm2d(i % 3 + 1) for i in range(20)])
    moving = MovingStatistics(norms)
    assert len(moving.parameters) > MOST_JOINED
    for i, parameter in enumerate(moving.parameters):
        ops.assign(parameter, ops.full(parameter.shape, float(i), dtype=parameter.dtype))
    moving.update(Tensor(True))
    for parameter in moving.parameters:
        ops.assign(parameter, ops.full(parameter.shape, -1.0, dtype=parameter.dtype))
    moving.update(Tensor(False))
    for i, parameter in enumerate(moving.parameters):
        np.testing.assert_array_equal(parameter.asnumpy(), np.full(parameter.shape, i))


def test_progress_inside_an_epoch_is_told_by_the_images():
    progress = Progress(epoch=1, step=300, steps_per_epoch=200)
    assert not progress.inside_epoch
    assert replace(progress, position=64).inside_epoch

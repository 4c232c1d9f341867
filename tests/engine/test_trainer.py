"""The loop: learning, logging, best and last, divergence."""

import numpy as np
import pytest
from engine_toy import Blobs, toy_task
from mindspore import nn

from acmix.config import Config
from acmix.engine import RunDir, Trainer, evaluate, load_weights
from acmix.engine.checkpoint import read_checkpoint
from acmix.errors import UserError
from acmix.tasks.classification.objective import ClassificationObjective
from acmix.utils.parameters import load_values


def config(**sections):
    defaults = {
        "optim": {"name": "adamw", "lr": 0.02, "weight_decay": 0.01},
        "train": {"epochs": 3, "log_interval": 4, "keep": 2},
    }
    merged = {name: {**defaults.get(name, {}), **values} for name, values in sections.items()}
    return Config.from_dict({**defaults, **merged})


@pytest.fixture
def run_dir(tmp_path):
    return RunDir(tmp_path / "run")


def assert_learns(run_dir, **sections):
    trainer = Trainer(toy_task(), config(**sections), run_dir)
    result = trainer.fit(Blobs(batches=16, batch_size=16), Blobs(seed=1, padded=3))
    losses = [record["loss"] for record in run_dir.metrics()]
    assert losses[-1] < 0.6 * losses[0]
    assert result.metrics["top1"] > 0.8  # 0.25 by chance


def test_network_learns_the_blobs(mode, run_dir):
    assert_learns(run_dir, optim={"name": "adamw", "lr": 0.05})


def test_network_learns_the_blobs_with_sgd(run_dir):
    assert_learns(run_dir, optim={"name": "sgd", "lr": 0.3})


def test_network_learns_the_blobs_in_mixed_precision_and_logs_the_scale(run_dir):
    train = {"amp": "O2", "loss_scale": "dynamic"}
    assert_learns(run_dir, optim={"lr": 0.05}, train=train)
    assert all(np.log2(record["scale"]) % 1 == 0 for record in run_dir.metrics())


def test_lines_come_every_interval_and_at_the_end_of_every_epoch(run_dir):
    Trainer(toy_task(), config(), run_dir, scalars=lambda: {"alpha": 0.5}).fit(
        Blobs(batches=6), Blobs(batches=1)
    )
    records = run_dir.metrics()
    assert [record["step"] for record in records] == [4, 6, 8, 12, 16, 18]
    assert [record["epoch"] for record in records] == pytest.approx([4 / 6, 1, 8 / 6, 2, 16 / 6, 3])
    within = {
        "epoch", "step", "lr", "loss", "grad_norm", "skipped", "images_per_second", "seconds",
    }  # fmt: skip
    assert set(records[0]) == within
    assert set(records[1]) == within | {"top1", "top5", "val_loss", "eval_seconds", "scalars"}
    assert records[1]["scalars"] == {"alpha": 0.5}


def test_logged_learning_rate_is_that_of_the_schedule(run_dir):
    Trainer(toy_task(), config(schedule={"name": "cosine"}), run_dir).fit(Blobs(batches=4))
    expected = [0.02 * (1 + np.cos(np.pi * (step - 1) / 12)) / 2 for step in (4, 8, 12)]
    assert [record["lr"] for record in run_dir.metrics()] == pytest.approx(expected)


def test_last_incomplete_group_of_an_accumulated_epoch_is_left_out(run_dir):
    settings = config(train={"accumulate": 4, "epochs": 2})
    result = Trainer(toy_task(), settings, run_dir).fit(Blobs(batches=11))
    assert result.progress.step == 4
    assert result.progress.steps_per_epoch == 2


def test_evaluation_follows_the_interval_and_always_comes_last(run_dir):
    settings = config(train={"epochs": 5, "eval_interval": 2})
    Trainer(toy_task(), settings, run_dir).fit(Blobs(batches=2), Blobs(batches=1))
    assert [r["epoch"] for r in run_dir.metrics() if "top1" in r] == [2, 4, 5]


class ScriptedTask:
    """A task whose validation metric follows a script."""

    def __init__(self, values):
        self.inner = toy_task()
        self.train_network, self.eval_network = self.inner.train_network, self.inner.eval_network
        self.loss_names, self.monitor, self.eval_inputs = ("loss",), "score", 1
        self.values = iter(values)

    def metric(self):
        task = self

        class Metric:
            def update(self, outputs, *targets):
                pass

            def all_reduce(self, world):
                pass

            def compute(self):
                return {"score": next(task.values)}

        return Metric()


def test_best_checkpoint_is_of_the_epoch_with_the_largest_monitored_metric(run_dir):
    task = ScriptedTask([0.3, 0.7, 0.7, 0.5])
    result = Trainer(task, config(train={"epochs": 4}), run_dir).fit(Blobs(2), Blobs(1))
    assert (result.progress.best, result.progress.best_step) == (0.7, 4)
    folder = run_dir.checkpoints.path
    assert read_checkpoint(folder / "best.ckpt")[1].epoch == 2
    assert read_checkpoint(folder / "last.ckpt")[1].epoch == 4


def test_average_is_evaluated_and_is_what_load_weights_gives(run_dir):
    task, val_data = toy_task(), Blobs(batches=4, seed=1)
    settings = config(train={"ema_decay": 0.9})
    result = Trainer(task, settings, run_dir).fit(Blobs(batches=6), val_data)
    last = run_dir.checkpoints.path / "last.ckpt"
    own, averaged = load_weights(last, average=False), load_weights(last)
    np.testing.assert_array_equal(task.model.head.weight.asnumpy(), own["head.weight"])
    assert np.abs(own["head.weight"] - averaged["head.weight"]).max() > 1e-3
    scores = []
    for weights in (own, averaged):
        other = toy_task()
        load_values({p.name: p for p in other.model.get_parameters()}, weights, "last.ckpt")
        scores.append(evaluate(other, val_data).compute())
    assert scores[1] == result.metrics
    assert scores[0] != scores[1], "choose a decay at which the two differ"


class Poisoned(Blobs):
    """Images that are infinite from epoch 1, batch 1 on."""

    def whole_epoch(self, epoch):
        for i, (images, labels) in enumerate(super().whole_epoch(epoch)):
            yield (images * np.inf if epoch == 1 and i >= 1 else images), labels


def test_divergence_stops_with_step_rate_and_last_good_checkpoint(run_dir):
    # A linear model: ReLU on CPU turns NaN into 0.
    linear = nn.SequentialCell(nn.Flatten(), nn.Dense(16, 4))
    task = ClassificationObjective(linear, num_classes=4)
    trainer = Trainer(task, config(schedule={"name": "constant"}), run_dir)
    with pytest.raises(UserError) as error:
        trainer.fit(Poisoned(batches=6), Blobs(batches=1))
    message = str(error.value)
    assert "diverged at step 8 (lr=0.02): the loss is nan" in message
    assert str(run_dir.checkpoints.path / "epoch_0001.ckpt") in message
    assert run_dir.checkpoints.latest().name == "epoch_0001.ckpt"
    weights = load_weights(run_dir.checkpoints.latest())
    assert all(np.isfinite(value).all() for value in weights.values())


def test_used_folder_is_refused_before_anything_is_touched(run_dir):
    Trainer(toy_task(), config(train={"epochs": 1}), run_dir).fit(Blobs(batches=2))
    before = {path: path.stat().st_mtime_ns for path in run_dir.path.rglob("*")}
    with pytest.raises(UserError, match="already holds a run"):
        Trainer(toy_task(), config(), run_dir).fit(Blobs(batches=2))
    assert {path: path.stat().st_mtime_ns for path in run_dir.path.rglob("*")} == before


def test_epoch_shorter_than_one_step_is_refused(run_dir):
    settings = config(train={"accumulate": 4})
    with pytest.raises(UserError, match=r"3 batches, fewer than train\.accumulate=4"):
        Trainer(toy_task(), settings, run_dir).fit(Blobs(batches=3))


def test_learning_rates_meant_for_a_batch_are_scaled_to_the_batch_trained_with(run_dir):
    optim, data = {"lr": 0.02, "lr_batch": 64}, {"batch_size": 8}
    schedule = {"name": "constant"}
    train = {"epochs": 1, "accumulate": 2, "log_interval": 1}
    sections = config(optim=optim, data=data, schedule=schedule, train=train)
    Trainer(toy_task(), sections, run_dir).fit(Blobs(batches=2, batch_size=8))
    assert run_dir.metrics()[0]["lr"] == pytest.approx(0.02 * 8 * 2 / 64)

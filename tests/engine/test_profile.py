"""The profile of a step: what is timed, what is left out, and that training does not notice."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from engine_toy import Blobs, toy_task
from mindspore import Tensor

from acmix.config import Config, OptimConfig
from acmix.engine import RunDir, Trainer, profile
from acmix.engine.checkpoint import read_checkpoint
from acmix.engine.optim import create_optimizer
from acmix.engine.profile import profile_training
from acmix.engine.train_step import StepParts, TrainStep
from acmix.utils.parameters import get_value, set_value

EVERYTHING = {
    "optim": {"name": "adamw", "lr": 0.02, "clip_norm": 1.0},
    "train": {
        "epochs": 2, "accumulate": 2, "ema_decay": 0.9, "amp": "O2", "loss_scale": "dynamic",
    },
}  # fmt: skip


def run(path, **changes):
    run_dir = RunDir(path)
    trainer = Trainer(toy_task(), Config.from_dict(EVERYTHING | changes), run_dir)
    trainer.fit(Blobs(), Blobs(batches=2, seed=1))
    return run_dir


def test_training_under_a_profile_ends_with_the_same_state(tmp_path):
    plain, profiled = run(tmp_path / "plain"), run(tmp_path / "profiled", profile=True)
    expected, progress = read_checkpoint(plain.checkpoints.path / "last.ckpt")[:2]
    tensors, same_progress = read_checkpoint(profiled.checkpoints.path / "last.ckpt")[:2]
    assert progress == same_progress
    assert tensors.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(tensors[name], value, err_msg=name)
    assert not plain.profile_file.exists()
    trace = json.loads(profiled.profile_file.read_text())
    named = {event["name"] for event in trace["traceEvents"] if event["ph"] == "X"}
    assert {"data wait", "forward", "update", "whole step", "moving average"} <= named


def thrice(gradients):
    return tuple([3 * gradient for gradient in gradients])


def test_parts_one_after_the_other_do_what_a_step_does():
    (batch,) = Blobs(batches=1).epoch(0)

    def trained(take):
        network = toy_task().train_network.set_train(True)
        # Of SGD, to which it makes a difference how long the gradient is.
        optimizer = create_optimizer(network, OptimConfig(name="sgd", lr=0.1))
        take(TrainStep(network, optimizer, all_reduce=thrice))
        return [get_value(parameter) for parameter in network.trainable_params()]

    def in_parts(step):
        set_value(step.optimizer.learning_rate, np.array(0.1))
        _, gradients = step.parts.backward(*map(Tensor, batch))
        step.parts.update(*step.parts.all_reduce(*gradients))

    whole = trained(lambda step: step([batch], 0.1))
    for ours, theirs in zip(trained(in_parts), whole, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


@pytest.fixture
def spend(monkeypatch):
    """Time stands still but for what is spent."""
    now = [0.0]
    monkeypatch.setattr(profile, "perf_counter", lambda: now[0])

    def spend(seconds, result=None):
        now[0] += seconds
        return result

    return spend


class TimedStep:
    """A step of two batches: 2 s forward, 5 s with backward; 100 s for a shape not met before."""

    accumulate = 2

    def __init__(self, spend, all_reduce=True):
        self.spend, self.compiled = spend, set()
        self.parts = StepParts(
            forward=lambda *batch: spend(2),
            backward=lambda *batch: spend(5, (None, ())),
            all_reduce=(lambda *gradients: spend(0.5, ())) if all_reduce else None,
            update=lambda *gradients: spend(1, (None, None)),
        )
        self.statistics = SimpleNamespace(parameters=[None], update=lambda finite: spend(0.125))

    def __call__(self, group, learning_rate):
        shapes = {batch[0].shape for batch in group}
        self.spend(9 if shapes <= self.compiled else 100)
        self.compiled |= shapes


class TimedData(list):
    def __init__(self, spend, sizes):
        super().__init__([np.zeros((4, 1, size, size), np.float32)] for size in sizes)
        self.spend = spend

    def epoch(self, k):
        for batch in self:
            self.spend(0.25)
            yield batch


def test_of_every_part_each_measured_step_has_its_seconds_and_backward_is_a_difference(spend):
    data = TimedData(spend, [8] * 6)
    result = profile_training(TimedStep(spend), data, 0, 0.1, {}, steps=4, warmup=1)
    expected = {
        "data wait": 0.5, "copy to device": 0, "forward": 4, "backward": 6,
        "gradient exchange": 0.5, "update": 1, "running statistics": 0.125,
        "whole step": 9,
    }  # fmt: skip
    assert result.seconds == {name: (seconds,) * 4 for name, seconds in expected.items()}
    assert result.images_per_second == pytest.approx(8 / 9.5)
    table = [line.split() for line in result.render().splitlines()]
    assert ["backward", "6000.0", "63"] in table
    assert ["sum", "of", "these", "6", "11625.0", "122"] in table


def test_on_one_device_there_is_no_exchange(spend):
    data = TimedData(spend, [8] * 6)
    result = profile_training(
        TimedStep(spend, all_reduce=False), data, 0, 0.1, {}, steps=1, warmup=0
    )
    assert "gradient exchange" not in result.render()


def test_steps_that_compile_a_new_shape_are_not_measured(spend):
    data = TimedData(spend, [8, 8, 16, 16, 8, 8, 24, 24])
    result = profile_training(TimedStep(spend), data, 0, 0.1, {}, steps=5, warmup=0)
    in_training = [event.seconds for event in result.events if event.name == "step"]
    assert in_training == [100, 100, 9, 100, 9, 9, 9, 9]
    assert result.seconds["data wait"] == (0.5,) * 5


def test_the_timeline_is_chromes_format_in_microseconds(spend):
    data = TimedData(spend, [8] * 2)
    result = profile_training(TimedStep(spend), data, 0, 0.1, {}, steps=1, warmup=0)
    events = json.loads(json.dumps(result.trace(process=3)))["traceEvents"]
    tracks = {event["tid"]: event["args"]["name"] for event in events if event["ph"] == "M"}
    (update,) = (event for event in events if event["name"] == "update")
    assert (update["ph"], update["pid"], update["dur"]) == ("X", 3, 1e6)
    assert tracks[update["tid"]] == "parts of a step"
    (exchange,) = (event for event in events if event["name"] == "gradient exchange")
    assert exchange["ts"] + exchange["dur"] == pytest.approx(update["ts"])

"""Sections made in Python obey the same rules as files; rules between fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import pytest

from acmix.config import (
    ClassificationConfig,
    ClassificationDataConfig,
    Config,
    DetectionDataConfig,
    ModelConfig,
    OptimConfig,
    ScheduleConfig,
    TrainConfig,
)
from acmix.config.typed import Range, Section
from acmix.errors import UserError


@dataclass(frozen=True)
class _Inner(Section, prefix="inner"):
    size: int
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Outer(Section):
    inner: _Inner
    half_open: Annotated[float, Range(low=0, high=1, strict_low=True)] = 1.0
    choice: Literal["", "a", 3] = ""


def test_nested_mappings_become_sections():
    outer = _Outer.from_dict({"inner": {"size": 2, "names": ["x"]}, "choice": 3})
    assert outer == _Outer(inner=_Inner(size=2, names=("x",)), choice=3)
    assert outer.to_dict() == {
        "inner": {"size": 2, "names": ["x"]},
        "half_open": 1.0,
        "choice": 3,
    }


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        ({}, "inner is missing"),
        ({"inner": {}}, "inner.size is missing"),
        ({"inner": {"size": 1, "names": "x"}}, "inner.names must be a list"),
        ({"inner": {"size": 1, "names": [1]}}, "each a string"),
        ({"inner": {"size": True}}, "inner.size must be an integer, got True"),
        ({"inner": 1}, "inner must be a section"),
        ({"inner": {"size": 1}, "half_open": 0}, "half_open must be a number > 0 and <= 1"),
        ({"inner": {"size": 1}, "choice": "A"}, "Did you mean 'a'"),
        ([], "must be a section"),
        ({1: 2}, "unknown key '1'"),
    ],
)
def test_wrong_trees_name_the_dotted_key(tree, message):
    with pytest.raises(UserError) as error:
        _Outer.from_dict(tree)
    assert message in str(error.value)


@pytest.mark.parametrize("bound", [0.0, 1.0])
def test_strict_bounds_are_outside_and_others_inside(bound):
    assert (bound in Range(low=0, high=1)) is True
    assert (bound in Range(low=0, high=1, strict_low=True, strict_high=True)) is False


@pytest.mark.parametrize(
    ("make", "key"),
    [
        (lambda: TrainConfig(epochs=0), "train.epochs"),
        (lambda: ClassificationDataConfig(mean=(0.5,)), "data.mean"),
        (lambda: ClassificationDataConfig(channels=1, mean=(0.5,)), "data.std"),
        (lambda: ClassificationDataConfig(std=(0.1, 0.0, 0.1)), "data.std"),
        (lambda: ClassificationDataConfig(scale=(0.9, 0.1)), "data.scale"),
        (lambda: ClassificationDataConfig(pad_crop=4), "data.pad_crop"),
        (lambda: ClassificationDataConfig(image_size=10**9), "data.image_size"),
        (lambda: OptimConfig(nesterov=True, momentum=0.0), "optim.nesterov"),
        (lambda: ScheduleConfig(name="step"), "schedule.milestones"),
        (lambda: ScheduleConfig(milestones=(3, 3)), "schedule.milestones"),
        (lambda: TrainConfig(steps=0), "train.steps"),
        (lambda: TrainConfig(eval_steps=0), "train.eval_steps"),
        (lambda: ScheduleConfig(name="poly", power=0.0), "schedule.power"),
        (lambda: OptimConfig(no_decay="biases"), "optim.no_decay"),
        (lambda: ClassificationConfig(schedule=ScheduleConfig(min_lr=1.0)), "schedule.min_lr"),
        (lambda: ModelConfig(kwargs={"x": np.float32(1)}), "model.kwargs"),
        (lambda: ModelConfig(kwargs={1: 2}), "model.kwargs"),
    ],
)
def test_impossible_values_are_refused_in_python_too(make, key):
    with pytest.raises(UserError) as error:
        make()
    assert key in str(error.value)


def test_free_form_arguments_are_copied():
    kwargs = {"depths": [1, 2]}
    config = ModelConfig(kwargs=kwargs)
    kwargs["depths"].append(3)
    assert config.kwargs == {"depths": (1, 2)}


def test_a_task_refuses_the_keys_of_another_by_name():
    for tree, message in (
        ({"task": "detection", "data": {"image_size": 64}}, "data.image_size needs task=class"),
        ({"data": {"long_side": 64}}, "data.long_side needs task=detection"),
        ({"task": "detection", "data": {"nosuch": 64}}, "unknown key 'data.nosuch'"),
    ):
        with pytest.raises(UserError, match=message):
            Config.from_dict(tree)
    with pytest.raises(UserError, match=r"short_side=\[900\] must not exceed data.long_side=800"):
        DetectionDataConfig(name="coco", short_side=(900,), long_side=800)


def test_task_and_data_belong_together():
    detection = {"task": "detection", "data": {"name": "coco"}}
    assert Config.from_dict(detection).data == DetectionDataConfig()
    for tree, message in (
        ({"task": "detection", "data": {"name": "digits"}}, "digits, which is for classification"),
        ({"task": "detcetion"}, "Did you mean 'detection'"),
        ({"data": {"name": "coco"}}, "task=classification cannot be learned"),
        ({"detector": {"frozen_stages": 1}}, "needs task=detection"),
        ({**detection, "loss": {"label_smoothing": 0.1}}, "loss needs task=classification"),
    ):
        with pytest.raises(UserError, match=message):
            Config.from_dict(tree)


def test_the_warm_up_is_given_in_one_unit():
    with pytest.raises(UserError, match="two ways to say one thing"):
        ScheduleConfig(warmup_epochs=1, warmup_steps=500)

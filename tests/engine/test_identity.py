"""What a resumed run may change, and what not."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

import pytest

from acmix.config import load_config
from acmix.engine.identity import check_same_run, describe_run
from acmix.errors import UserError

BASE = ("data.name=digits", "data.channels=1", "data.mean=[0.5]", "data.std=[0.2]")


@dataclass
class Data:
    classes: tuple = ("ant", "bee")
    notes: dict = field(default_factory=dict)
    num_samples: int = 8
    parts: dict = field(default_factory=lambda: {"images": "i", "labels": "l", "content": "c"})

    def digest(self):
        return self.parts

    def label_notes(self):
        return self.notes


def compare(before=(), now=(), then=None, today=None, val=None):
    old, new = (load_config(None, [*BASE, *keys]) for keys in (before, now))
    saved = describe_run(old, then or Data(), Data())
    current = describe_run(new, today or Data(), val or Data())
    check_same_run(json.loads(json.dumps(saved)), current, new, "epoch_0001.ckpt")


def test_the_same_run_passes_without_a_word(caplog):
    caplog.set_level("INFO")
    compare()
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("key", "before", "now"),
    [
        ("data.mean", "[0.5]", "[0.9]"),
        ("data.std", "[0.2]", "[0.3]"),
        ("data.image_size", "224", "32"),
        ("data.crop_pct", "0.875", "1.0"),
        ("data.interpolation", "bicubic", "bilinear"),
        ("train.ema_decay", "0.9", "0.5"),
        ("train.ema_decay", "0.9", "null"),
        ("model.name", "swin_tiny", "acmix_swin_tiny"),
        ("model.kwargs", "{qk_scale: 1.0}", "{qk_scale: 3.0}"),
        ("model.num_classes", "10", "12"),
        ("seed", "0", "1"),
    ],
)
def test_what_decides_what_is_learned_is_refused(key, before, now):
    with pytest.raises(UserError, match=rf"other settings: {key} was .*Set them as they were"):
        compare([f"{key}={before}"], [f"{key}={now}"])


@pytest.mark.parametrize(
    ("key", "before", "now"),
    [
        ("optim.lr", "0.1", "0.01"),
        ("optim.clip_norm", "null", "1.0"),
        ("schedule.warmup_epochs", "0", "2"),
        ("data.hflip", "0.5", "0.9"),
        ("data.mixup", "0", "0.2"),
        ("train.amp", "O0", "O2"),
        ("loss.label_smoothing", "0", "0.1"),
    ],
)
def test_what_may_change_is_logged(key, before, now, caplog):
    caplog.set_level("INFO")
    compare([f"{key}={before}"], [f"{key}={now}"])
    assert f"Changed since the checkpoint: {key} " in caplog.text


@pytest.mark.parametrize(
    "key",
    [
        "output=elsewhere", "data.root=/other", "data.num_workers=7", "train.epochs=300",
        "train.keep=9", "train.log_interval=3", "train.steps=9", "train.eval_steps=2",
        "runtime.device=CPU", "profile=true", "model.pretrained=a.ckpt",
    ],
)  # fmt: skip
def test_bookkeeping_is_free(key, caplog):
    caplog.set_level("INFO")
    compare([], [key])
    assert caplog.text == ""


def test_other_classes_are_refused_with_both_lists():
    message = r"classes 'ant', 'bee'; the data has 'bee', 'zz'.*model\.reset_head=true"
    with pytest.raises(UserError, match=message):
        compare(today=Data(classes=("bee", "zz")))


@pytest.mark.parametrize("part", ["images", "labels", "content"])
def test_other_training_data_is_refused(part):
    other = Data(parts={**Data().parts, part: "x"})
    with pytest.raises(UserError, match=rf"training data is not that of.*{part} differ \(8 images"):
        compare(today=other)


def test_other_validation_data_is_told(caplog):
    compare(val=Data(parts={**Data().parts, "content": "x"}))
    assert "the validation data is not that of epoch_0001.ckpt: content differ" in caplog.text


def test_files_that_were_not_read_count_as_equal(caplog):
    unread = {name: value for name, value in Data().parts.items() if name != "content"}
    compare(today=Data(parts=unread))
    assert caplog.text == ""


def test_a_checkpoint_of_a_version_that_recorded_nothing_is_accepted():
    config = load_config(None, BASE)
    check_same_run({}, describe_run(config, Data(), Data()), config, "old.ckpt")


def test_lists_of_many_classes_are_cut():
    many = tuple(f"class {i}" for i in range(1000))
    with pytest.raises(UserError) as error:
        compare(then=Data(classes=many), today=Data(classes=many[::-1]))
    assert "(1000 in all)" in str(error.value)
    assert len(str(error.value)) < 800

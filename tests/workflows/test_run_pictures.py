"""Pictures and tables that a run writes while it trains."""

import json

import numpy as np
import pytest

from acmix.tasks import get_task
from acmix.tasks.classification.metric import ClassificationMetric
from acmix.workflows import run_pictures
from acmix.workflows.run_pictures import RunPictures

CLASSES = ("cat", "dog", "bird")
FILES = ("confusion.png", "curve.png", "evaluation.json", "per_class.txt")


@pytest.fixture
def run(tmp_path):
    line = {"epoch": 1, "step": 4, "loss": 1.5, "lr": 0.1, "top1": 0.5, "val_loss": 1.25}
    (tmp_path / "metrics.jsonl").write_text(json.dumps(line) + "\n")
    return tmp_path


def metric(*pairs):
    """Return the metric of pairs of true and predicted label."""
    found = ClassificationMetric(4)  # of a head with more outputs than classes
    true, predicted = np.array(pairs).T
    found.update(np.eye(4)[predicted], true)
    return found


def written(run):
    return sorted(path.name for path in run.iterdir() if path.name in FILES)


def test_an_evaluation_writes_curve_numbers_classes_and_confusion(run):
    pictures = RunPictures(get_task("classification"), run, CLASSES)
    pictures(metric((0, 0), (0, 1), (1, 1)))
    pictures.finish()
    assert written(run) == sorted(FILES)
    report = json.loads((run / "evaluation.json").read_text())
    assert report["top1"] == pytest.approx(2 / 3)
    assert report["per_class"] == {"cat": 0.5, "dog": 1.0, "bird": None}
    table = [line.split(None, 1) for line in (run / "per_class.txt").read_text().splitlines()]
    assert table[2:] == [["cat", "0.5000"], ["dog", "1.0000"], ["bird", "not in the data"]]


class Counting:
    """A task that counts what it writes, each a second of work, while an epoch takes one."""

    headline = {"top1": "top-1"}

    def __init__(self, clock):
        self.written, self.clock = [], clock

    def write_evaluation(self, metric, classes, folder):
        self.written.append(metric)
        self.clock.now += 1.0


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    """The clock of the pictures, none of which is drawn."""
    clock = Clock()
    monkeypatch.setattr(run_pictures, "time", clock)
    monkeypatch.setattr(run_pictures, "plot_training_curve", lambda *_: None)
    return clock


def test_short_epochs_share_pictures_and_the_last_evaluation_has_its_own(run, clock):
    task = Counting(clock)
    pictures = RunPictures(task, run, CLASSES)
    for epoch in range(100):
        clock.now += 1.0
        pictures(epoch)
    assert 5 < len(task.written) <= 0.1 * clock.now
    pictures.finish()
    assert task.written[-1] == 99
    count = len(task.written)
    pictures.finish()
    assert len(task.written) == count


def test_long_epochs_have_pictures_each(run, clock):
    task = Counting(clock)
    pictures = RunPictures(task, run, CLASSES)
    for epoch in range(5):
        clock.now += 60.0
        pictures(epoch)
    assert task.written == [0, 1, 2, 3, 4]


def test_a_picture_that_cannot_be_written_ends_no_training(run, caplog, monkeypatch):
    (run / "confusion.png").mkdir()
    monkeypatch.setattr(run_pictures, "SHARE", 1e9)
    RunPictures(get_task("classification"), run, CLASSES)(metric((0, 0)))
    assert "pictures of the run were not written" in caplog.text
    assert "confusion.png" in caplog.text


def test_a_run_that_was_stopped_before_its_first_line_has_no_curve(tmp_path):
    (tmp_path / "metrics.jsonl").write_text("")
    RunPictures(get_task("classification"), tmp_path, CLASSES).finish()
    assert written(tmp_path) == []
